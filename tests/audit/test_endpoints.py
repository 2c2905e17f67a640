"""Endpoints, preconditions, utility and drawings against slow references written here."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints import utility as useful
from vestige.audit.endpoints.decisions import judge_parts
from vestige.audit.endpoints.endpoints import DEFINITIONS, Measured, measure
from vestige.audit.endpoints.preconditions import examine
from vestige.audit.endpoints.remedy import remedy
from vestige.audit.endpoints.scores import calibration_rows, score_phi
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence
from vestige.audit.statistics import intervals
from vestige.audit.verdict.evidence import gather, preconditions
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]
UNSHADOWED = ["A1", "A2", "A3", "T1", "T2", "F1", "F2", "F3"]
"""Endpoints of an audit without shadow models."""


def _endpoint(evidence: Evidence, name: str) -> Endpoint:
    return next(one for one in evidence.endpoints if one.name == name)


def _slow_auc(members: Floats, nonmembers: Floats) -> float:
    return float(np.mean([[1.0 if a > b else 0.5 if a == b else 0.0 for b in nonmembers] for a in members]))


def _slow_centred(phi: Floats, labels: NDArray[np.int64], calibration: NDArray[np.bool_]) -> Floats:
    medians = {c: np.median(phi[calibration & (labels == c)]) for c in set(labels.tolist())}
    return np.array([value - medians[c] for value, c in zip(phi, labels.tolist(), strict=True)])


def _slow_z(phi: Floats, others: list[Floats], calibration: NDArray[np.bool_], sigma: float) -> Floats:
    z = (phi - np.mean(others, axis=0)) / sigma
    return np.asarray(z - np.median(z[calibration]))


def _slow_tpr(score: Floats, forget: NDArray[np.bool_], calibration: NDArray[np.bool_], fpr: float) -> float:
    levels = np.sort(score[calibration])
    threshold = min(t for t in levels if np.mean(score[calibration] > t) <= fpr)
    return float(np.mean(score[forget] > threshold))


def _several_classes(seed: int, forget: int = 40, unseen: int = 300, models: int = 6) -> tuple[Floats, Floats]:
    """phi of 4 retrains, candidate, original, and labels of three classes of unequal difficulty."""
    random = numpy_generator(seed, "several classes")
    labels = random.integers(0, 3, forget + unseen)
    phi = random.normal(0, 1, (models, forget + unseen)) + 2.0 * labels + random.normal(0, 1.5, forget + unseen)
    phi[-1, :forget] += 1.0
    return phi, labels


def test_every_endpoint_equals_its_slow_reference() -> None:
    phi, labels = _several_classes(0)
    forget = np.arange(len(labels)) < 40
    scores = score_phi(phi, 4, labels, forget, 0.2, 0)
    calibration, evaluation = scores.calibration, scores.evaluation
    measured = {one.definition.name: one for one in measure(scores, 0.05)}
    sigma = float(np.sqrt(np.mean([np.var(phi[:4, i]) for i in range(len(labels))])))
    for model in range(6):
        others = [phi[k] for k in range(4) if k != model]
        z = _slow_z(phi[model], others, calibration, sigma)
        centred = _slow_centred(phi[model], labels, calibration)
        expected = {
            "A1": _slow_auc(centred[forget], centred[evaluation]),
            "A2": _slow_auc(z[forget], z[evaluation]),
            "A3": _slow_auc(np.abs(z)[forget], np.abs(z)[evaluation]),
            "T1": _slow_tpr(z, forget, calibration, 0.05),
            "T2": _slow_tpr(np.abs(z), forget, calibration, 0.05),
        }
        found = {name: float(measured[name].values[model]) for name in expected}  # type: ignore[index]
        assert found == pytest.approx(expected, abs=1e-12)


def test_example_error_is_the_paired_delong_error() -> None:
    phi, labels = _several_classes(1)
    forget = np.arange(len(labels)) < 40
    scores = score_phi(phi, 4, labels, forget, 0.2, 0)
    a1 = measure(scores, 0.05)[0]
    pairs = []
    for row in scores.centred:
        members, others = row[forget], row[scores.evaluation]
        table = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in others] for a in members])
        pairs.append((table.mean(1), table.mean(0)))
    for other in (0, 1):
        d10 = pairs[4 + other][0] - np.mean([pair[0] for pair in pairs[:4]], axis=0)
        d01 = pairs[4 + other][1] - np.mean([pair[1] for pair in pairs[:4]], axis=0)
        slow = np.sqrt(np.var(d10, ddof=1) / len(d10) + np.var(d01, ddof=1) / len(d01))
        assert a1.example_error(other) == pytest.approx(slow, abs=1e-12)


def test_unpaired_measurement_has_the_same_values() -> None:
    phi, labels = _several_classes(2)
    scores = score_phi(phi, 4, labels, np.arange(len(labels)) < 40, 0.2, 0)
    for paired, plain in zip(measure(scores, 0.05), measure(scores, 0.05, paired=False), strict=True):
        assert np.array_equal(plain.values, paired.values)  # type: ignore[arg-type]
        assert plain.spread == paired.spread


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_calibration_rows_are_a_share_of_every_class(share: float) -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 50, 2, 1])
    unseen = np.ones(len(labels), np.bool_)
    unseen[:20] = False
    chosen = calibration_rows(labels, unseen, share, 5)
    assert not chosen[~unseen].any()
    counts = [int(chosen[labels == label].sum()) for label in range(4)]
    assert counts == [round(80 * share), round(50 * share), 1, 0]
    assert (chosen == calibration_rows(labels, unseen, share, 5)).all()
    assert (chosen != calibration_rows(labels, unseen, share, 6)).any()


def test_calibration_rows_of_single_rows_per_class_are_one() -> None:
    assert calibration_rows(np.arange(5), np.ones(5, np.bool_), 0.2, 0).sum() == 1


def test_thresholds_and_centring_never_see_evaluation_rows() -> None:
    phi, labels = _several_classes(3)
    forget = np.arange(len(labels)) < 40
    before = score_phi(phi, 4, labels, forget, 0.2, 0)
    changed = phi.copy()
    changed[:, before.evaluation] -= 50.0
    after = score_phi(changed, 4, labels, forget, 0.2, 0)
    assert np.array_equal(before.centred[:, forget], after.centred[:, forget])
    first, second = (measure(scores, 0.05)[3].values for scores in (before, after))
    # sigma is pooled over all rows, but a change that all models share leaves it.
    assert first == pytest.approx(second, abs=1e-12)


def test_retrains_do_not_depend_on_the_candidate() -> None:
    world = World(forget=200, unseen=1500, retrains=5)
    table = world.draw(0)
    other = table.phi.copy()
    other[5] = np.roll(other[5], 7) * 3
    changed = replace(table, phi=other)
    assert preconditions(table.outputs(), Policy()) == preconditions(changed.outputs(), Policy())
    first, second = (
        gather(table.outputs(), Policy(), plots=False),
        gather(changed.outputs(), Policy(), plots=False),
    )
    for one, two in zip(first.endpoints, second.endpoints, strict=True):
        assert (one.retrains, one.original, one.spread) == (two.retrains, two.original, two.spread)
        assert one.margin_effective == two.margin_effective


def test_gaps_and_intervals_are_those_of_the_statistics() -> None:
    evidence = gather(World(forget=300, unseen=2000, retrains=5).draw(3).outputs(), Policy(), plots=False)
    assert [one.name for one in evidence.endpoints if one.candidate is not None] == UNSHADOWED
    p_values = []
    for one in evidence.endpoints:
        if one.name not in UNSHADOWED:
            assert one.reason == "needs a shadow bank" and one.p_holm is None and one.decision == "not estimable"
            continue
        spread = float(np.std(one.retrains, ddof=1))
        gap = one.candidate - float(np.mean(one.retrains))  # type: ignore[operator]
        half = intervals.half_width(spread, 5, 0.05)
        assert one.gap == pytest.approx(gap, abs=1e-12)
        assert one.interval == pytest.approx((gap - half, gap + half), abs=1e-12)
        wide = intervals.bonferroni_half_width(spread, 5, 0.05, 8)
        assert one.simultaneous == pytest.approx((gap - wide, gap + wide), abs=1e-12)
        error = intervals.seed_error(spread, 5)
        p_values.append(intervals.fail_p(gap, one.margin, error, 5, one.sides))
        assert one.p_value == pytest.approx(p_values[-1], abs=1e-12)
    assert [one.p_holm for one in evidence.endpoints if one.name in UNSHADOWED] == pytest.approx(
        intervals.holm(p_values), abs=1e-12
    )


def _by_hand(name: str, retrains: Sequence[float], candidate: float, original: float, **more: float) -> Measured:
    values = np.array([*retrains, candidate, original])
    definition = next(one for one in DEFINITIONS if one.name == name)
    return Measured(definition, len(retrains), values, "", float(np.std(retrains, ddof=1)), **more)  # type: ignore[arg-type]


def test_vd_41_the_margin_is_at_most_half_of_a_detected_originals_gap() -> None:
    noise = np.array([-1, 0, 1, 0, 0]) * 1e-3
    tight, loose = 0.5 + noise, 0.5 + 40 * noise
    measured = [
        _by_hand("A1", tight, 0.5, 0.58),
        _by_hand("A2", tight, 0.5, 0.62),
        _by_hand("A3", loose, 0.5, 0.58),
        _by_hand("T1", 0.01 + noise, 0.01, 0.04),
    ]
    phi = numpy_generator(0, "vd-41").normal(size=(5, 50))
    standing = examine(measured, phi, True, 10_000, Policy())
    # A1: half of .08. A2: half of .12 is above the margin. A3: .08 is not detected. T1: half of .03.
    assert standing.effective == pytest.approx({"A1": 0.04, "A2": 0.05, "A3": 0.05, "T1": 0.015})
    assert standing.detecting == ("A2", "T1")
    assert standing.underpowered == ("A3",) and not standing.problem


def test_fail_is_decided_on_holm_adjusted_p_values() -> None:
    noise = np.array([-1, 0, 1, 0, 0]) * 1e-2
    still = [_by_hand(name, 0.5 + noise, 0.5, 0.5) for name in ("A2", "A3", "F1")]
    moved = _by_hand("A1", 0.5 + noise, 0.5 + 0.08, 0.5)
    for family, decision in ((still, "uncertain"), ([], "outside")):
        one = judge_parts([[moved, *family]], {}, "", Policy())[0][0]
        assert one.p_value is not None and 0.0125 < one.p_value < 0.05
        assert one.decision == decision


def test_an_upper_sided_endpoint_is_within_however_low() -> None:
    noise = np.array([-1, 0, 1, 0, 0]) * 1e-3
    low, high = (
        judge_parts([[_by_hand("T1", 0.1 + noise, 0.1 + gap, 0.1)]], {}, "", Policy())[0][0] for gap in (-0.05, 0.05)
    )
    assert (low.decision, high.decision) == ("within", "outside")
    two = judge_parts([[_by_hand("A1", 0.5 + noise, 0.4, 0.5)]], {}, "", Policy())[0][0]
    assert two.decision == "outside"


def test_conservative_takes_the_wider_interval() -> None:
    outputs = World(forget=300, unseen=2000, retrains=10).draw(0).outputs()
    plain = gather(outputs, Policy(), plots=False).endpoints
    careful = gather(outputs, Policy(conservative=True), plots=False).endpoints
    widened = 0
    for one, two in zip(plain, careful, strict=True):
        if one.name not in UNSHADOWED:
            continue
        expected = max(one.half_width or 0, one.example_half_width or 0)
        assert two.interval == pytest.approx((two.gap - expected, two.gap + expected), abs=1e-12)  # type: ignore[operator]
        assert two.p_value >= one.p_value  # type: ignore[operator]
        widened += two.interval != one.interval
    assert widened > 0


def test_st_15_utility_non_inferior() -> None:
    accuracies = np.array([0.93, 0.935, 0.925, 0.93, 0.93])
    gap, width = useful.compare(accuracies, 0.92, 2000, 0.05, np.zeros(2000))
    assert gap - width == pytest.approx(-0.0182566071, abs=1e-9)
    assert useful.decide(gap, width, 0.02) == "non-inferior"
    assert useful.decide(gap, width, 0.018) == "uncertain"
    assert useful.decide(gap, width, 0.001) == "inferior"
    assert useful.decide(-0.025, 0.01, 0.02) == "uncertain"


def test_utility_of_equal_retrains_has_an_interval() -> None:
    _, width = useful.compare(np.full(5, 0.93), 0.92, 200, 0.05, np.zeros(200))
    assert width == pytest.approx(intervals.half_width(1 / 200, 5, 0.05))


@pytest.mark.parametrize("k", [1, 2])
def test_utility_of_few_retrains_allows_for_the_seed(k: int) -> None:
    _, width = useful.compare(np.full(k, 0.93), 0.92, 200, 0.05, np.zeros(200))
    assert width > 0.03


def test_few_retrains_leave_a1_alone_without_an_interval() -> None:
    evidence = gather(World(forget=200, unseen=1500, retrains=2).draw(0).outputs(), Policy(), plots=False)
    a1, *others = evidence.endpoints
    assert a1.interval is None and a1.p_value is None and a1.simultaneous is not None
    assert {one.decision for one in others} == {"not estimable"}
    assert others[0].reason == "needs at least 3 retrains, got 2"


def test_too_few_unseen_examples_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2 unseen rows, got 1"):
        gather(World(forget=20, unseen=1, retrains=3).draw(0).outputs(), Policy())


def test_st_18_rank_of_the_candidate_is_uniform_under_the_null() -> None:
    world, runs = World(forget=60, unseen=150, retrains=9, seed_effect=0.15, original=None), 600
    ranks = np.zeros(10, np.int64)
    for run in range(runs):
        table = world.draw(run)
        scores = score_phi(table.phi, 9, table.labels, table.role == "forget", 0.2, run)
        values = measure(scores, 0.01, paired=False)[0].values
        assert values is not None
        ranks[int((values[:9] < values[9]).sum())] += 1
    assert float(((ranks - runs / 10) ** 2 / (runs / 10)).sum()) < 21.67, ranks  # chi-square, 9 d.f., 1 %


def _spoil(change: Callable[[Floats], None], world: World) -> Evidence:
    table = world.draw(2)
    phi = table.phi.copy()
    change(phi)
    return gather(replace(table, phi=phi).outputs(), Policy(), plots=False)


SMALL = World(forget=300, unseen=2000, retrains=10)


def test_one_retrain_trained_on_the_forget_set_is_found() -> None:
    def contaminate(phi: Floats) -> None:
        phi[0, :300] += 2.0

    reference = _spoil(contaminate, SMALL).reference
    assert not reference.valid and "leave-one-out A2" in reference.problem


def test_two_retrains_equal_up_to_rounding_are_found() -> None:
    def copy(phi: Floats) -> None:
        phi[3] = phi[1] + 1e-6 * np.cos(np.arange(phi.shape[1]))

    reference = _spoil(copy, SMALL).reference
    assert not reference.valid and "the same model up to rounding" in reference.problem


def test_a_retrain_that_is_the_original_is_found() -> None:
    def copy(phi: Floats) -> None:
        phi[3] = phi[11]

    assert _spoil(copy, SMALL).reference.problem == "retrain 4 is byte-equal to the original"


def test_an_original_less_trained_than_the_retrains_is_no_original() -> None:
    world = replace(SMALL, retrain=memorised(1.5), candidate=memorised(1.5), original=constant(0.0))
    evidence = gather(world.draw(0).outputs(), Policy(), plots=False)
    reference = evidence.reference
    assert not reference.valid and reference.original and reference.assay_sensitive is None
    assert reference.detecting == reference.firing == ()
    assert "less trained on the forget set than the retrains on A1 -0.2" in reference.problem
    assert "A3" not in reference.problem and "T1" not in reference.problem
    assert all(one.margin_effective == one.margin for one in evidence.endpoints)


def test_entropy_alone_does_not_turn_original_and_retrains_round() -> None:
    # On mislabelled examples a retrain is sure of the true class, the original less sure of the false one.
    noise = np.array([-1, 0, 1, 0, 0]) * 1e-3
    measured = [_by_hand("A2", 0.5 + noise, 0.5, 0.7), _by_hand("F2", 0.5 + noise, 0.5, 0.3)]
    standing = examine(measured, numpy_generator(0, "f2").normal(size=(5, 50)), True, 10_000, Policy())
    assert not standing.problem and (standing.detecting, standing.firing) == (("A2",), ("A2", "F2"))


def test_retrains_of_rounded_probabilities_are_told_apart_and_their_copies_are_not() -> None:
    random = numpy_generator(0, "rounded")
    difficulty = random.normal(11.0, 7.0, 2000)
    sure = 1 / (1 + np.exp(-difficulty - random.normal(size=(3, 2000))))
    phi = np.array([np.log(p.clip(1e-300)) - np.log((1 - p).clip(1e-300)) for p in sure.round(4)])
    assert np.median(np.abs(phi[0] - phi[1])) == 0
    assert "same model" not in examine([_by_hand("A2", [0.5, 0.51, 0.49], 0.5, 0.6)], phi, True, 100, Policy()).problem
    phi[2] = phi[0] + 1e-6 * np.cos(np.arange(2000))
    assert "1 and 3 of the reference" in examine([], phi, True, 100, Policy()).problem
    phi[2] = phi[0]
    assert "1 and 3 of the reference" in examine([], phi, True, 100, Policy()).problem


def test_the_randomisation_p_is_reported_and_stays_above_its_floor() -> None:
    outputs = World(forget=300, unseen=2000, retrains=5, candidate=memorised(1.5)).draw(3).outputs()
    evidence = gather(outputs, Policy(), plots=False)
    for one in (one for one in evidence.endpoints if one.name in UNSHADOWED):
        null = 0.01 if one.sides == "upper" else 0.5
        assert one.randomisation_p == intervals.randomisation_p(one.candidate or 0.0, one.retrains, null)
    assert evidence.endpoints[0].randomisation_p == pytest.approx(1 / 6)


def test_endpoints_on_entropy_need_logits() -> None:
    phi, labels = _several_classes(2)
    scores = score_phi(phi, 4, labels, np.arange(len(labels)) < 40, 0.2, 0)
    missing = {one.definition.name: one.reason for one in measure(scores, 0.05) if not one.in_force}
    own = {name: reason for name, reason in missing.items() if name in UNSHADOWED}
    assert own == {"F2": "needs the logits of all classes", "F3": "needs the logits of all classes"}


def test_what_the_outputs_say_beside_logits_is_in_the_reference() -> None:
    outputs = World(forget=50, unseen=200, retrains=3).draw(0).outputs()
    plain = preconditions(outputs, Policy())
    assert (plain.unit, plain.forget, plain.saturated, plain.classes_without_unseen) == ("example", 50, 0, 0)
    names = np.arange(250).astype(str)
    labels = np.where(np.arange(250) < 5, 1, 0)
    assert preconditions(replace(outputs, subject=names), Policy()) == plain
    more = replace(outputs, subject=np.where(names == "3", "4", names), saturated=7, labels=labels)
    found = preconditions(more, Policy())
    assert (found.unit, found.forget, found.saturated, found.classes_without_unseen) == ("person", 49, 7, 1)


@pytest.mark.parametrize("margin", [0.036, 0.039])
def test_the_remedy_names_the_smallest_number_of_retrains_that_is_enough(margin: float) -> None:
    one = _by_hand("A1", [0.49, 0.51, 0.50, 0.50, 0.50], 0.5, 0.8)
    one = replace(one, spread=0.01)
    text = remedy([(one, margin)], 1000, 0.05)
    k = int(text.split(": ")[1].split(" retrains")[0])
    assert intervals.plan_width(0.01, k, 0.05) <= margin < intervals.plan_width(0.01, k - 1, 0.05)
    assert "unseen" not in text


def test_the_remedy_names_a_number_of_unseen_examples() -> None:
    one = replace(_by_hand("A1", [0.49, 0.51, 0.5], 0.5, 0.8), spread=0.01, unseen_variance=0.9e-4)
    margin = intervals.plan_width(0.01 * np.sqrt(0.1 + 0.9 / 4), 3, 0.05)
    text = remedy([(one, margin)], 1000, 0.05)
    assert "about 4" in text and "unseen examples in place of 1000" in text
    assert remedy([], 1000, 0.05) == ""


def test_no_number_cures_a_tiny_forget_set() -> None:
    remedy = preconditions(World(forget=8, unseen=3000, retrains=5).draw(0).outputs(), Policy()).remedy
    assert "up to 30 retrains or 50 times the unseen examples" in remedy
    assert "only more forget examples or a wider margin" in remedy


@pytest.fixture(scope="module")
def drawn() -> tuple[Outputs, Evidence]:
    outputs = World(forget=400, unseen=2000, retain=100, retrains=4, candidate=memorised(0.8)).draw(0).outputs()
    return outputs, gather(outputs, Policy(), candidate_name="mine")


def test_plots_change_nothing_else(drawn: tuple[Outputs, Evidence]) -> None:
    outputs, full = drawn
    plain = gather(outputs, Policy(), candidate_name="mine", plots=False)
    nothing = {"operating_points": (), "attacks": (), "curves": (), "histograms": ()}
    assert plain == replace(full, **nothing, single_examples=None, retained=None)  # type: ignore[arg-type]
    assert full.candidate == "mine" and gather(outputs, Policy(), candidate_name="mine") == full


def test_operating_points_are_the_estimable_ones(drawn: tuple[Outputs, Evidence]) -> None:
    outputs, full = drawn
    assert [(one.score, one.fpr) for one in full.operating_points] == [
        (score, fpr) for score in ("phi", "z", "abs_z") for fpr in (0.1, 0.01)
    ]
    t1 = _endpoint(full, "T1")
    point = next(one for one in full.operating_points if (one.score, one.fpr) == ("z", 0.01))
    assert (point.tpr, point.original_tpr) == (t1.candidate, t1.original)
    assert point.retrain_tpr == pytest.approx(np.mean(t1.retrains))
    assert point.tpr_interval == intervals.clopper_pearson(round(400 * point.tpr), 400)
    assert point.realised_fpr_interval[0] <= point.realised_fpr <= point.realised_fpr_interval[1]


def test_curves_and_histograms_are_whole(drawn: tuple[Outputs, Evidence]) -> None:
    _, full = drawn
    names = ["retrain 1", "retrain 2", "retrain 3", "retrain 4", "candidate", "original"]
    assert [(one.model, one.score) for one in full.curves] == [
        (name, score) for score in ("phi", "z") for name in names
    ]
    for curve in full.curves:
        assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
        assert 10 < len(curve.fpr) == len(curve.tpr) <= 150
    for histogram in full.histograms:
        models = 4 if histogram.model == "retrains" else 1
        assert len(histogram.edges) == 41
        assert (sum(histogram.forget), sum(histogram.unseen)) == (400 * models, 1600 * models)
    assert {(one.name, one.signal) for one in full.attacks} >= {("threshold", "loss"), ("threshold_classwise", "logit")}
    classwise = next(one for one in full.attacks if (one.name, one.signal) == ("threshold_classwise", "logit"))
    assert classwise.candidate == _endpoint(full, "A1").candidate
    for name, signal in (("F2", "entropy"), ("F3", "modified_entropy")):
        classwise = next(one for one in full.attacks if (one.name, one.signal) == ("threshold_classwise", signal))
        assert (classwise.candidate, classwise.retrains) == (
            _endpoint(full, name).candidate,
            _endpoint(full, name).retrains,
        )


def test_evidence_is_plain_finite_json(drawn: tuple[Outputs, Evidence]) -> None:
    assert '"candidate":"mine"' in canonical_json(asdict(drawn[1]))
