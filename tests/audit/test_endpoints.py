"""Calibration rows, preconditions, margins, utility, remedies and drawings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.audit import slow_reference as slow
from tests.audit.worlds import SY, ClassWorld
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints import utility as useful
from vestige.audit.endpoints.calibration import calibration_rows, row_digests
from vestige.audit.endpoints.decisions import judge
from vestige.audit.endpoints.endpoints import BY_NAME, Measured, measure
from vestige.audit.endpoints.preconditions import copies, examine
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.remedy import remedy
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.endpoints.statistic import Statistic
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.audit.statistics import intervals
from vestige.audit.verdict.evidence import gather, preconditions
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]
RANDOM = Setting("random", "known")


def _endpoint(evidence: Evidence, name: str) -> Endpoint:
    return next(endpoint for endpoint in evidence.endpoints if endpoint.name == name)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_calibration_rows_are_a_share_of_every_class(share: float) -> None:
    outputs = World(forget=20, unseen=150, retrains=1, classes=4).draw(0).outputs()
    labels = np.concatenate([np.zeros(20, np.int64), np.repeat([0, 1, 2, 3], [80, 50, 2, 18])])
    outputs = replace(outputs, labels=labels)
    digests, unseen = row_digests(outputs, np.arange(170)), outputs.where("unseen")
    chosen = calibration_rows(digests, labels, unseen, share)
    assert not chosen[~unseen].any()
    assert [int(chosen[labels == label].sum()) for label in range(4)] == [
        round(80 * share),
        round(50 * share),
        1,
        round(18 * share),
    ]
    assert set(np.flatnonzero(chosen).tolist()) == set(slow.calibration(outputs, np.arange(170), share))


def test_calibration_rows_of_single_rows_per_class_are_one() -> None:
    digests = np.array([bytes([value]) * 32 for value in (9, 3, 7, 1, 5)], "S32")
    assert calibration_rows(digests, np.arange(5), np.ones(5, np.bool_), 0.2).tolist() == [0, 0, 0, 1, 0]


def test_equal_rows_stand_or_fall_together() -> None:
    digests = np.array([b"a" * 32] * 6 + [b"b" * 32] * 4, "S32")
    assert calibration_rows(digests, np.zeros(10), np.ones(10, np.bool_), 0.2).sum() == 1  # nothing else is left
    digests = np.array([b"a" * 32] * 2 + [b"b" * 32] * 3 + [b"c" * 32] * 5, "S32")
    assert np.flatnonzero(calibration_rows(digests, np.zeros(10), np.ones(10, np.bool_), 0.4)).tolist() == [0, 1]


def test_calibration_rows_never_depend_on_the_candidate() -> None:
    outputs = World(forget=20, unseen=150, retrains=2).draw(0).outputs()
    rows = np.arange(170)
    other = replace(outputs, candidate=np.roll(outputs.candidate, 3, axis=0))
    assert (row_digests(outputs, rows) == row_digests(other, rows)).all()
    named = replace(outputs, id=np.arange(170).astype(np.str_), original=None)
    assert (row_digests(named, rows) == row_digests(replace(named, retrain=named.retrain * 2), rows)).all()
    assert (row_digests(outputs, rows) != row_digests(named, rows)).all()


def test_thresholds_and_centring_never_see_evaluation_rows() -> None:
    world = World(forget=400, unseen=2500, retrains=4)
    outputs = replace(world.draw(3).outputs(), id=np.arange(2900).astype(np.str_))
    before = score(read(outputs, CHOSEN, range(4), 0.2))
    changed = outputs.candidate.copy()
    changed[before.evaluation, outputs.labels[before.evaluation]] -= 5.0
    after = score(read(replace(outputs, candidate=changed), CHOSEN, range(4), 0.2))
    assert np.array_equal(before.residual[4, before.forget], after.residual[4, before.forget])
    values = [next(m for m in measure(found, Policy()) if m.name == "T").values[4] for found in (before, after)]
    assert values[0] == values[1]


def test_retrains_do_not_depend_on_the_candidate() -> None:
    outputs = World(forget=200, unseen=1500, retrains=5).draw(0).outputs()
    changed = replace(outputs, candidate=np.roll(outputs.candidate, 7, axis=0) * 3)
    for setting in (CHOSEN, RANDOM):
        assert preconditions(outputs, setting, Policy()) == preconditions(changed, setting, Policy())
        found = [gather(each, setting, Policy(), plots=False) for each in (outputs, changed)]
        for first, second in zip(found[0].endpoints, found[1].endpoints, strict=True):
            assert (first.retrains, first.original, first.spread) == (second.retrains, second.original, second.spread)
            assert (first.margin_effective, first.role) == (second.margin_effective, second.role)


def _by_hand(name: str, retrains: Sequence[float], candidate: float, original: float, error: float) -> Measured:
    values = np.array([*retrains, candidate, original])
    statistic = Statistic(values, 1000, 4000, np.full(2, error), expected=error)
    return Measured(BY_NAME[name], statistic, len(retrains), CHOSEN)


NOISE = np.array([-1, 0, 1, 0, 0]) * 1e-3


def test_the_margin_is_at_most_half_of_a_detected_originals_gap() -> None:
    measured = [
        _by_hand("M", 0.5 + NOISE, 0.5, 0.62, 1e-3),
        _by_hand("S", 0.5 + NOISE, 0.5, 0.58, 1e-3),
        _by_hand("V", 0.5 + 40 * NOISE, 0.5, 0.58, 1e-3),
        _by_hand("T", 0.01 + NOISE, 0.01, 0.04, 1e-3),
        _by_hand("B", 0.5 + NOISE, 0.5, 0.9, 1e-3),
    ]
    standing = examine(measured, (), True, Policy())
    # M: half of .12 is above the margin. S: half of .08. V: .08 is not detected. T: half of .03. B: half, whatever.
    assert standing.effective == pytest.approx({"M": 0.05, "S": 0.04, "V": 0.05, "T": 0.015, "B": 0.2})
    assert standing.detecting == ("M", "T", "B") and standing.firing == ("M", "S", "T", "B")
    assert not standing.problem


def test_an_original_below_the_retrains_is_a_problem_only_on_what_shows_memory() -> None:
    below = [_by_hand(name, 0.5 + NOISE, 0.5, 0.3, 1e-3) for name in ("M", "V")]
    assert "on M -0.200" in examine(below, (), True, Policy()).problem
    assert not examine(below[1:], (), True, Policy()).problem


def test_wide_and_short_are_told_from_retrains_and_sizes() -> None:
    for error, wide, short in ((0.05, ("M",), ()), (0.020, (), ("M",)), (0.004, (), ())):
        standing = examine([_by_hand("M", 0.5 + 1000 * error * NOISE, 0.5, 0.5, error)], (), False, Policy())
        assert (standing.wide, standing.short) == (wide, short), error
        assert bool(standing.remedy) == bool(wide or short)


def test_fail_is_decided_on_holm_adjusted_p_values() -> None:
    still = [_by_hand(name, 0.5 + 10 * NOISE, 0.5, 0.5, 0.01) for name in ("S", "V", "D")]
    moved = _by_hand("M", 0.5 + 10 * NOISE, 0.5 + 0.075, 0.5, 0.01)
    for family, decision in ((still, "uncertain"), ([], "outside")):
        found = judge([moved, *family], {}, "", Policy())[0]
        assert found.p_value is not None and 0.05 / 3 < found.p_value < 0.05
        assert found.decision == decision


def test_an_upper_sided_endpoint_is_within_however_low() -> None:
    for gap, decision in ((-0.05, "within"), (0.05, "outside")):
        assert judge([_by_hand("T", 0.1 + NOISE, 0.1 + gap, 0.1, 1e-3)], {}, "", Policy())[0].decision == decision
    assert judge([_by_hand("M", 0.5 + NOISE, 0.4, 0.5, 1e-3)], {}, "", Policy())[0].decision == "outside"


def test_a_problem_leaves_values_and_no_decision() -> None:
    found = judge([_by_hand("M", 0.5 + NOISE, 0.9, 0.5, 1e-3)], {}, "broken", Policy())[0]
    assert (found.reason, found.decision, found.interval, found.p_holm) == ("broken", "uncertain", None, None)
    assert found.gap == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("gap", "half", "k", "decision"),
    [
        (-0.01, 0.005, 5, "no worse"),
        (-0.01, 0.015, 5, "open"),
        (-0.025, 0.015, 5, "uncertain"),
        (-0.025, 0.03, 5, "open"),
        (-0.05, 0.02, 5, "worse"),
        (-0.03, 0.015, 1, "open"),
        (-0.045, 0.03, 1, "uncertain"),
    ],
)
def test_utility_decides_as_the_rule_says(gap: float, half: float, k: int, decision: str) -> None:
    assert useful.decide(gap, half, 0.02, k) == decision
    strict = useful.decide(gap, half, 0.02, k, strict=True)
    assert strict == ("uncertain" if decision == "open" else decision)


def test_utility_is_its_formula() -> None:
    outputs = World(forget=100, unseen=900, retain=400, retrains=4, level=1.0).draw(1).outputs()
    evidence = gather(outputs, RANDOM, Policy(), plots=False)
    found = {part.role: part for part in evidence.utility}
    for role, n in (("unseen", 900), ("retain", 400)):
        rows = outputs.role == role
        right = np.array(
            [model[rows].argmax(1) == outputs.labels[rows] for model in [*outputs.retrain, outputs.candidate]], float
        )
        e = max(float(np.std(right[4] - right[:4].mean(0), ddof=1)) / sqrt(n), 1 / n)
        s = right[:4].mean(1).std(ddof=1)
        v = max((e**2 + 3 * 1.25 * s**2) / 4, e**2)
        half = stats.t.ppf(0.95, 4) * sqrt(v)
        gap = right[4].mean() - right[:4].mean()
        assert found[role].interval == pytest.approx((gap - half, gap + half), abs=1e-12)
        assert found[role].examples == n


def test_few_unseen_examples_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2 unseen rows, got 1"):
        gather(World(forget=20, unseen=1, retrains=3).draw(0).outputs(), CHOSEN, Policy())
    outputs = ClassWorld(forget=50, unseen=40, others=30, retain=300, retrains=3).draw(0)
    labels = np.where((outputs.role == "unseen") & (outputs.labels == 0), 1, outputs.labels)
    with pytest.raises(DataError, match="at least 2 unseen rows of the forgotten classes"):
        gather(replace(outputs, labels=labels), Setting("class", "declared"), Policy())


@pytest.mark.slow
def test_rank_of_the_candidate_is_uniform_under_the_null() -> None:
    """M of a fresh candidate among those of nine leave-one-out retrains, 300 worlds: chi-square at 1 %."""
    world, runs = World(forget=60, unseen=150, retrains=9, seed_effect=0.15, original=None, classes=1), 300
    ranks = np.zeros(10, np.int64)
    for seed in range(runs):
        values = measure(score(read(world.draw(seed).outputs(), CHOSEN, range(9), 0.2)), Policy())[0].values
        ranks[int((values[:9] < values[9]).sum())] += 1
    assert float(((ranks - runs / 10) ** 2 / (runs / 10)).sum()) < 21.67, ranks


SMALL = World(forget=300, unseen=2000, retrains=6)


def _spoil(change: Callable[[Outputs], Outputs], world: World = SMALL) -> Evidence:
    return gather(change(world.draw(2).outputs()), CHOSEN, Policy(), plots=False)


def test_retrains_equal_up_to_rounding_and_the_original_among_them_are_found() -> None:
    def rounded(outputs: Outputs) -> Outputs:
        retrain = outputs.retrain.copy()
        retrain[3] = retrain[1] + 1e-6 * np.cos(np.arange(retrain.shape[1]))[:, None] * np.arange(10)
        return replace(outputs, retrain=retrain)

    def original(outputs: Outputs) -> Outputs:
        retrain = outputs.retrain.copy()
        retrain[3] = outputs.original
        return replace(outputs, retrain=retrain)

    def hotter(outputs: Outputs) -> Outputs:
        retrain = outputs.retrain.copy()
        retrain[3] = retrain[1] * 2
        return replace(outputs, retrain=retrain)

    assert "the same model up to rounding" in _spoil(rounded).reference.problem
    assert "the same model up to rounding" in _spoil(hotter).reference.problem  # the scale takes the temperature out
    assert _spoil(original).reference.problem == "retrain 4 is byte-equal to the original"


def test_an_original_less_trained_than_the_retrains_is_no_original() -> None:
    world = replace(SMALL, retrain=memorised(1.5), candidate=memorised(1.5), original=constant(0.0))
    reference = gather(world.draw(0).outputs(), CHOSEN, Policy(), plots=False).reference
    assert not reference.valid and reference.original and reference.detecting is None and reference.firing == ()
    assert "less trained on the forget set than the retrains on M -0." in reference.problem


def test_retrains_of_rounded_probabilities_are_told_apart_and_their_copies_are_not() -> None:
    random = numpy_generator(0, "rounded")
    difficulty = random.normal(11.0, 7.0, 2000)
    sure = 1 / (1 + np.exp(-difficulty - random.normal(size=(3, 2000))))
    phi = np.array([np.log(p.clip(1e-300)) - np.log((1 - p).clip(1e-300)) for p in sure.round(4)])
    assert np.median(np.abs(phi[0] - phi[1])) == 0 and not copies(phi)
    for copy in (phi[0] + 1e-6 * np.cos(np.arange(2000)), phi[0]):
        phi[2] = copy
        assert "1 and 3 of the reference" in copies(phi)


def test_what_the_outputs_say_beside_logits_is_in_the_reference() -> None:
    outputs = World(forget=50, unseen=200, retrains=3, classes=2).draw(0).outputs()
    plain = preconditions(outputs, CHOSEN, Policy())
    assert (plain.unit, plain.forget, plain.saturated, plain.classes_without_unseen) == ("example", 50, 0, 0)
    labels = np.where(outputs.where("unseen"), 0, outputs.labels)
    names = np.arange(250).astype(str)
    more = replace(outputs, subject=np.where(names == "3", "5", names), saturated=7, labels=labels)
    found = preconditions(more, CHOSEN, Policy())
    assert (found.unit, found.forget, found.saturated, found.classes_without_unseen) == ("person", 49, 7, 1)


@pytest.mark.parametrize("margin", [0.034, 0.037])
def test_the_remedy_names_the_smallest_number_of_retrains_that_is_enough(margin: float) -> None:
    weak = _by_hand("M", [0.49, 0.51, 0.50], 0.5, 0.8, 0.01)
    assert weak.expected.plan_width(0.05) > margin
    text = remedy([(weak, margin)], 1000, 0.05)
    k = int(text.split(": ")[1].split(" retrains")[0])
    assert weak.projected(k).plan_width(0.05) <= margin < weak.projected(k - 1).plan_width(0.05)


def test_no_number_cures_a_tiny_forget_set() -> None:
    found = preconditions(World(forget=8, unseen=3000, retrains=5).draw(0).outputs(), CHOSEN, Policy()).remedy
    assert "only more forget examples or a wider margin" in found
    assert remedy([], 1000, 0.05) == ""


@pytest.fixture(scope="module")
def drawn() -> tuple[Outputs, Evidence]:
    outputs = World(forget=400, unseen=2000, retain=100, retrains=4, candidate=memorised(0.8)).draw(0).outputs()
    return outputs, gather(outputs, CHOSEN, Policy(), candidate_name="mine")


def test_plots_change_nothing_else(drawn: tuple[Outputs, Evidence]) -> None:
    outputs, full = drawn
    plain = gather(outputs, CHOSEN, Policy(), candidate_name="mine", plots=False)
    nothing = {"operating_points": (), "attacks": (), "curves": (), "histograms": ()}
    assert plain == replace(full, **nothing, single_examples=None, retained=None)  # type: ignore[arg-type]
    assert full.candidate == "mine" and gather(outputs, CHOSEN, Policy(), candidate_name="mine") == full


def test_operating_points_are_the_estimable_ones(drawn: tuple[Outputs, Evidence]) -> None:
    _, full = drawn
    tail = _endpoint(full, "T")
    points = [point for point in full.operating_points if point.fpr == 0.01]
    assert points and tail.candidate in [point.tpr for point in points]
    for point in full.operating_points:
        assert point.tpr_interval == intervals.clopper_pearson(round(400 * point.tpr), 400)
        assert point.realised_fpr_interval[0] <= point.realised_fpr <= point.realised_fpr_interval[1]


def test_curves_and_histograms_are_whole(drawn: tuple[Outputs, Evidence]) -> None:
    _, full = drawn
    names = ["retrain 1", "retrain 2", "retrain 3", "retrain 4", "candidate", "original"]
    assert [curve.model for curve in full.curves][:6] == names
    for curve in full.curves:
        assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
        assert 10 < len(curve.fpr) == len(curve.tpr) <= 150
    for histogram in full.histograms:
        models = 4 if histogram.model == "retrains" else 1
        assert (sum(histogram.forget), sum(histogram.unseen)) == (400 * models, 1600 * models)
    assert {(attack.name, attack.signal) for attack in full.attacks} >= {
        ("threshold", "loss"),
        ("threshold_classwise", "logit"),
    }


def test_evidence_is_plain_finite_json(drawn: tuple[Outputs, Evidence]) -> None:
    assert '"candidate":"mine"' in canonical_json(asdict(drawn[1]))


def test_speed_of_no_plots_is_that_of_one_reading() -> None:
    """Of the size of the specification's worlds: no signal table is read for the verdict alone."""
    outputs = SY.draw(0).outputs()
    gather(outputs, CHOSEN, Policy(), plots=False)
    assert set(outputs._signals) <= {"logit", "correctness"}
