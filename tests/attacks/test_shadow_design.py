"""Who trains on what: BANK-01, BANK-03 to BANK-05, BANK-10; balance within classes, requests and people."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_examples
from vestige.attacks.shadows.design import ShadowDesign
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.augmentations import Augmentation
from vestige.learners.training.recipe import Recipe


def design(examples: Examples | None = None, **more: Any) -> ShadowDesign:
    given = {
        "examples": make_examples(60) if examples is None else examples,
        "recipe": Recipe(architecture="mlp", width=8, epochs=2, batch_size=16),
        "pool": np.arange(5, 55),
        "rows": np.arange(10, 40),
    }
    return ShadowDesign(**(given | more))


def test_bank_01_pairs_partition_the_pool_and_every_row_is_in_for_half() -> None:
    made = design()
    member = made.member(12)
    assert member.shape == (12, 30) and (member.sum(0) == 6).all()
    for first in range(0, 12, 2):
        one, other = made.trained_on(first), made.trained_on(first + 1)
        assert np.array_equal(np.sort(np.concatenate([one, other])), made.pool) and abs(len(one) - len(other)) <= 1
        assert np.array_equal(np.isin(made.rows, one), member[first])
    assert len({made.model_seed(k) for k in range(12)}) == 12


def test_bank_05_a_bank_that_grows_keeps_what_it_had_and_repeats_no_half() -> None:
    few, more = design().member(8), design().member(64)
    assert np.array_equal(more[:8], few)
    assert len({row.tobytes() for row in more}) == 64
    assert (more.sum(0) == 32).all()


def test_halves_are_balanced_within_classes_and_requests() -> None:
    requests = np.arange(10, 22)
    made = design(requests=requests)
    labels = made.examples.labels
    for model in range(6):
        own = made.trained_on(model)
        for label in range(3):
            for asked in (True, False):
                stratum = made.pool[(labels[made.pool] == label) & (np.isin(made.pool, requests) == asked)]
                assert abs(2 * np.isin(stratum, own).sum() - len(stratum)) <= 1
    forgets = made.forgets(6)
    assert np.array_equal(forgets, made.member(6) & np.isin(made.rows, requests))
    assert not design().forgets(6).any()


def test_people_stay_whole() -> None:
    examples = make_examples(60)
    people = np.array([f"p{k // 4}" for k in range(60)])
    made = design(replace(examples, subjects=people))
    for model in range(6):
        inside = np.isin(made.pool, made.trained_on(model))
        assert all(len(set(inside[people[made.pool] == one])) == 1 for one in set(people[made.pool]))


def test_halves_of_different_pairs_are_independent_of_each_other() -> None:
    member = design(make_examples(4000), pool=np.arange(4000), rows=np.arange(4000)).member(40)[::2]
    agreement = np.mean([np.mean(a == b) for k, a in enumerate(member) for b in member[:k]])
    assert agreement == pytest.approx(0.5, abs=0.005)


CHANGES: list[dict[str, Any]] = [
    {"recipe": Recipe(architecture="mlp", width=8, epochs=3, batch_size=16)},
    {"pool": np.arange(4, 55)},
    {"rows": np.arange(10, 41)},
    {"rows": np.arange(10, 40)[::-1].copy()},
    {"requests": np.array([12])},
    {"augmentations": (Augmentation(), Augmentation(mirror=True))},
    {"seed": 1},
    {"device": "cuda"},
    {"examples": make_examples(60, seed=1)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_bank_03_04_10_any_other_setting_has_another_key(change: dict[str, Any], monkeypatch: Any) -> None:
    assert design().key == design().key != design(**change).key


def test_bank_03_other_source_code_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.attacks.shadows import design as shadow_design

    before = design().key
    monkeypatch.setattr(shadow_design, "code_version", lambda *modules: "another")
    assert design().key != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": np.array([3])}, "a pool of at least 2 examples"),
        ({"rows": np.zeros(0, np.int64)}, "one row, got 50, 0"),
        ({"pool": np.array([3, 3, 4])}, "rising order"),
        ({"rows": np.array([4, 10])}, "expected rows inside the pool, each once, got 1 outside"),
        ({"rows": np.array([10, 10])}, "each once, got 0 outside"),
        ({"requests": np.array([8])}, "expected requests inside the rows, each once, got 1 outside"),
    ],
)
def test_sets_that_do_not_nest_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        design(**change)
    with pytest.raises(ConfigError, match="at least one augmentation"):
        design(augmentations=())
