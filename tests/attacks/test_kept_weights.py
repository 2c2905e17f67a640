"""Weights that one bank kept serve another bank of the same training: another view list trains nothing again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.attacks.test_shadow_bank import HERE, design
from vestige.attacks.shadows import work
from vestige.attacks.shadows.making import make_shadows, read_shadows, store_of
from vestige.learners.training.augmentations import Augmentation


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was trained again")

    monkeypatch.setattr(work, "train", refuse)


def test_another_view_list_is_asked_of_kept_weights(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    first = replace(design(), augmentations=(Augmentation(),))
    before = make_shadows(first, tmp_path, 4, engine=HERE, keep_weights=True)
    more = replace(first, augmentations=(Augmentation(), Augmentation(mirror=True)))
    assert more.key != first.key and more.training == first.training
    request.getfixturevalue("no_training")
    after = make_shadows(more, tmp_path, 4, engine=HERE)
    assert after.folder != before.folder and after.augmentations == ("identity", "mirror")
    for one, two in zip(before.phi, after.phi, strict=True):
        assert np.array_equal(one[0], two[0])
    assert np.array_equal(after.flops, before.flops) and (after.seconds > before.seconds).all()
    # The bank's own weights serve as well, where only its outputs were damaged.
    (before.folder / "shadow-00001" / "answers.json").write_text(
        (before.folder / "shadow-00001" / "answers.json").read_text().replace('"phi":"', '"phi":"0')
    )
    again = make_shadows(first, tmp_path, 4, engine=HERE, keep_weights=True)
    assert np.array_equal(again.phi[1], read_shadows(more, tmp_path).phi[1][:1])


@pytest.mark.parametrize("change", ["recipe", "seed", "requests", "pool"])
def test_other_training_never_takes_them(tmp_path: Path, change: str) -> None:
    first = design()
    make_shadows(first, tmp_path, 2, engine=HERE, keep_weights=True)
    other = {
        "recipe": lambda: replace(first, recipe=replace(first.recipe, epochs=first.recipe.epochs + 1)),
        "seed": lambda: replace(first, seed=first.seed + 1),
        "requests": lambda: replace(first, requests=np.sort(first.rows)[:6]),
        "pool": lambda: replace(first, pool=np.setdiff1d(first.pool, np.setdiff1d(first.pool, first.rows)[:2])),
    }[change]()
    assert other.training != first.training
    alone = make_shadows(other, tmp_path / "alone", 2, engine=HERE)
    beside = make_shadows(other, tmp_path, 2, engine=HERE)
    assert [a.tobytes() for a in alone.phi] == [a.tobytes() for a in beside.phi]


@pytest.mark.parametrize("fault", ["flipped", "no description", "another model"])
def test_unsound_weights_are_trained_again(tmp_path: Path, fault: str) -> None:
    first = replace(design(), augmentations=(Augmentation(),))
    before = make_shadows(first, tmp_path, 2, engine=HERE, keep_weights=True)
    weights = store_of(first, tmp_path).weights(0)
    if fault == "flipped":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif fault == "no description":
        (before.folder / "design.json").write_text("[]")
    else:
        weights.write_bytes((before.folder / "shadow-00001" / "weights.safetensors").read_bytes())
    after = make_shadows(
        replace(first, augmentations=(Augmentation(), Augmentation(mirror=True))), tmp_path, 2, engine=HERE
    )
    assert np.array_equal(after.phi[0][0], before.phi[0][0])
