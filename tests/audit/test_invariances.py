"""What must not change a verdict: temperature, constants, the order of rows and of classes. Exact, to 1e-9."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.audit.worlds import CASES, CLASS_CASES, SY, ClassWorld, verdict_on
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.setting import Declared
from vestige.audit.results.evidence import Evidence, Verdict

Change = Callable[[Outputs], Outputs]
SMALL = ClassWorld(forget=800, unseen=1500, others=60, retain=900, retrains=4)
SUBJECTS: dict[str, tuple[Outputs, Declared | None]] = {
    "honest": (CASES["honest"](3), None),
    "tail, random": (CASES["tail"](3), "random"),
    "half, no retrain": (replace(CASES["half of every memory"](2), retrain=np.empty((0, 6500, 10))), "random"),
    "half, one retrain": (
        replace(CASES["half of every memory"](2), retrain=SY.draw(2).outputs().retrain[:1]),
        "random",
    ),
    "class": (SMALL.draw(1, CLASS_CASES["a tenth"]), None),
}


def _rows(outputs: Outputs, order: np.ndarray) -> Outputs:
    return replace(
        outputs,
        labels=outputs.labels[order],
        role=outputs.role[order],
        candidate=outputs.candidate[order],
        retrain=outputs.retrain[:, order],
        original=None if outputs.original is None else outputs.original[order],
    )


def _classes(outputs: Outputs, order: np.ndarray) -> Outputs:
    """Class ``order[c]`` becomes class c."""
    return replace(
        outputs,
        labels=np.argsort(order)[outputs.labels],
        candidate=outputs.candidate[:, order],
        retrain=outputs.retrain[:, :, order],
        original=None if outputs.original is None else outputs.original[:, order],
    )


def _temperature(factor: float, constant: float) -> Change:
    return lambda outputs: replace(outputs, candidate=outputs.candidate * factor + constant)


def _row_constants(outputs: Outputs) -> Outputs:
    own = np.random.default_rng(0).normal(0, 50, (len(outputs), 1))
    return replace(outputs, candidate=outputs.candidate + own)


def _all_hotter(outputs: Outputs) -> Outputs:
    """Every model at a temperature of its own, of which the retrains' geometric mean is 1."""
    k = len(outputs.retrain)
    factors = np.exp(np.linspace(-1, 1, k))
    assert outputs.original is not None
    return replace(outputs, retrain=outputs.retrain * factors[:, None, None], original=outputs.original * 3)


def _shuffled_rows(outputs: Outputs) -> Outputs:
    return _rows(outputs, np.random.default_rng(1).permutation(len(outputs)))


def _shuffled_classes(outputs: Outputs) -> Outputs:
    return _classes(outputs, np.random.default_rng(2).permutation(outputs.classes))


CHANGES: dict[str, Change] = {
    **{f"temperature {factor:g}": _temperature(factor, 7.0) for factor in (0.2, 0.5, 2.0, 5.0)},
    "a constant for each row": _row_constants,
    "order of rows": _shuffled_rows,
}


@pytest.fixture(scope="module")
def before() -> dict[str, tuple[Evidence, Verdict]]:
    return {name: verdict_on(*subject) for name, subject in SUBJECTS.items()}


def _same(first: tuple[Evidence, Verdict], second: tuple[Evidence, Verdict]) -> None:
    assert (first[1].outcome, first[1].reasons, first[1].grade) == (
        second[1].outcome,
        second[1].reasons,
        second[1].grade,
    )
    assert [endpoint.label for endpoint in first[0].endpoints] == [endpoint.label for endpoint in second[0].endpoints]
    for old, new in zip(first[0].endpoints, second[0].endpoints, strict=True):
        assert (old.decision, old.role) == (new.decision, new.role)
        for field in ("candidate", "original", "gap", "example_error", "spread", "half_width", "p_holm"):
            assert getattr(new, field) == pytest.approx(getattr(old, field), abs=1e-9), (old.label, field)
        assert new.retrains == pytest.approx(old.retrains, abs=1e-9)
    shares = [found.share_forgotten for found, _ in (first, second)]
    assert [share and share.estimate for share in shares][1] == pytest.approx(
        shares[0] and shares[0].estimate, abs=1e-6
    )
    assert [part.gap for part in first[0].utility] == pytest.approx([part.gap for part in second[0].utility], abs=1e-12)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_changes(subject: str, change: str, before: dict[str, tuple[Evidence, Verdict]]) -> None:
    outputs, declared = SUBJECTS[subject]
    _same(before[subject], verdict_on(CHANGES[change](outputs), declared))


@pytest.mark.parametrize("subject", ["honest", "tail, random", "class"])
def test_the_temperatures_of_the_other_models_change_nothing(subject: str) -> None:
    """With ids, by which the same rows calibrate: without, it is the original's outputs that choose them."""
    outputs, declared = SUBJECTS[subject]
    named = replace(outputs, id=np.arange(len(outputs)).astype(np.str_))
    _same(verdict_on(named, declared), verdict_on(_all_hotter(named), declared))


@pytest.mark.parametrize("subject", [name for name in SUBJECTS if name != "class"])
def test_the_order_of_classes_changes_names_alone(subject: str, before: dict[str, tuple[Evidence, Verdict]]) -> None:
    outputs, declared = SUBJECTS[subject]
    found = verdict_on(_shuffled_classes(outputs), declared)
    old = {endpoint.label: endpoint for endpoint in before[subject][0].endpoints if endpoint.name != "G"}
    new = {endpoint.label: endpoint for endpoint in found[0].endpoints if endpoint.name != "G"}
    assert old.keys() == new.keys() and found[1].outcome == before[subject][1].outcome
    for name, endpoint in old.items():
        assert new[name].gap == pytest.approx(endpoint.gap, abs=1e-9)
        assert new[name].decision == endpoint.decision
    groups = [
        sorted(endpoint.gap or 0.0 for endpoint in evidence.endpoints if endpoint.name == "G")
        for evidence in (before[subject][0], found[0])
    ]
    assert groups[0] == pytest.approx(groups[1], abs=1e-9)


def test_the_forgotten_class_may_have_any_number(before: dict[str, tuple[Evidence, Verdict]]) -> None:
    outputs, _ = SUBJECTS["class"]
    _same(before["class"], verdict_on(_shuffled_classes(outputs)))


@pytest.mark.parametrize("subject", ["honest", "tail, random", "class"])
@pytest.mark.parametrize("level", [-30.0, -10.0])
def test_a_class_that_is_constant_on_every_model_changes_no_outcome(
    subject: str, level: float, before: dict[str, tuple[Evidence, Verdict]]
) -> None:
    outputs, declared = SUBJECTS[subject]

    def wider(logits: np.ndarray) -> np.ndarray:
        return np.concatenate([logits, np.full((*logits.shape[:-1], 1), level)], axis=-1)

    assert outputs.original is not None
    more = replace(
        outputs,
        candidate=wider(outputs.candidate),
        retrain=wider(outputs.retrain),
        original=wider(outputs.original),
    )
    found, verdict = verdict_on(more, declared)
    assert (verdict.outcome, verdict.codes) == (before[subject][1].outcome, before[subject][1].codes)
    for old, new in zip(before[subject][0].endpoints, found.endpoints, strict=True):
        if old.name in "MSTL" and old.gap is not None:
            assert new.gap == pytest.approx(old.gap, abs=0.01)


def test_the_candidate_alone_with_a_constant_class_keeps_its_outcome() -> None:
    """A class at minus thirty in place of one that it never gives: the scale is a median, which does not move."""
    outputs = SUBJECTS["honest"][0]
    masked = outputs.candidate.copy()
    masked[:, 9] = -30.0
    rows = outputs.labels != 9
    kept = _rows(replace(outputs, candidate=masked), np.flatnonzero(rows))
    scale = next(part for part in verdict_on(kept)[0].scale if part.model == "candidate")
    assert scale.level == pytest.approx(1.0, abs=0.2) and scale.slope == pytest.approx(1.0, abs=0.2)


def test_a_change_that_does_matter_is_seen(before: dict[str, tuple[Evidence, Verdict]]) -> None:
    """The comparison can fail: a temperature on the forget rows alone."""
    outputs, declared = SUBJECTS["honest"]
    forget = outputs.where("forget")[:, None]
    changed = replace(outputs, candidate=np.where(forget, outputs.candidate * 0.5, outputs.candidate))
    with pytest.raises(AssertionError):
        _same(before["honest"], verdict_on(changed, declared))
