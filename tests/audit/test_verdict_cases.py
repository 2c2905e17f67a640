"""The rule on synthetic tables, one candidate each: which of outcomes and reasons applies first, and what is said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audit.worlds import CASES, CLASS_CASES, SY, ClassWorld, few, verdict_on
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.endpoints.simulation import Shift, Table, World, constant, memorised, none
from vestige.audit.policy import Policy, profile
from vestige.audit.results.evidence import Controls, Evidence, NullControl, Verdict
from vestige.audit.results.wording import FORBIDDEN
from vestige.audit.verdict.grades import grade_of
from vestige.audit.verdict.rule import decide
from vestige.learners.errors import DataError

Floats = NDArray[np.float64]
SMALL = World(forget=500, unseen=2000, retain=200, retrains=4)


def _judge(table: Table, policy: Policy | None = None, declared: Declared | None = None) -> tuple[Evidence, Verdict]:
    return verdict_on(table.outputs(), declared, policy)


def _edit(table: Table, change: Callable[[Floats], None]) -> Table:
    phi = table.phi.copy()
    change(phi)
    return replace(table, phi=phi)


def _codes(verdict: Verdict) -> set[str]:
    return {note.split(":")[0] for note in verdict.notes}


@pytest.fixture(scope="module")
def passed() -> tuple[Evidence, Verdict]:
    """An honest candidate that passes."""
    return verdict_on(CASES["honest"](0))


def test_a_fresh_retrain_passes(passed: tuple[Evidence, Verdict]) -> None:
    evidence, verdict = passed
    assert (verdict.outcome, verdict.reasons, verdict.grade) == ("PASS", (), "B")
    primary = [endpoint for endpoint in evidence.endpoints if endpoint.primary and endpoint.gap is not None]
    assert {endpoint.decision for endpoint in primary} == {"within"}
    assert {endpoint.name for endpoint in primary} == {"M", "S", "T"}
    assert verdict.headline.startswith("PASS: within the margins (AUC 0.05, TPR 0.02 at FPR 0.01, labels 0.05) of 5")
    assert "memory, spread and worst-exposed (grade B)" in verdict.headline and not verdict.would_change


def test_a_copy_of_a_retrain_is_dropped_from_the_reference() -> None:
    outputs = CASES["honest"](3)
    evidence, verdict = verdict_on(replace(outputs, candidate=outputs.retrain[0]))
    assert evidence.reference.dropped == ("retrain 1",) and evidence.reference.retrains == 4
    assert all(len(endpoint.retrains) in (0, 4) for endpoint in evidence.endpoints)
    assert "RETRAIN_DROPPED" in _codes(verdict) and verdict.outcome != "FAIL"


def test_nothing_but_copies_of_the_candidate_is_no_reference() -> None:
    def copy(phi: Floats) -> None:
        phi[:4] = phi[4]

    table = replace(_edit(SMALL.draw(0), copy), world=replace(SMALL, others=0.0))
    evidence, verdict = _judge(table)
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
    assert "byte-equal to the candidate" in evidence.reference.problem


@pytest.mark.parametrize("declared", [None, "random"])
@pytest.mark.parametrize("retrains", [0, 1, 2, 4])
def test_the_original_itself_is_a_no_op_whatever_the_evidence(retrains: int, declared: Declared | None) -> None:
    outputs = SMALL.draw(0).outputs()
    assert outputs.original is not None
    same = replace(outputs, candidate=outputs.original, retrain=outputs.retrain[:retrains])
    evidence, verdict = verdict_on(same, declared)
    assert evidence.no_op and (verdict.outcome, verdict.codes) == ("FAIL", ("NOOP",))
    assert len(verdict.explanations) == 1 and verdict.would_change
    copied = replace(same, retrain=same.retrain[[0, 0]] if retrains else same.retrain)
    assert verdict_on(copied, declared)[1].codes == ("NOOP",)


@pytest.mark.parametrize("retrains", [0, 1])
@pytest.mark.parametrize("shift", [none, memorised(1.5), constant(-1.0)])
def test_below_two_retrains_only_a_random_draw_is_judged(retrains: int, shift: Shift) -> None:
    table = replace(SY, retrains=retrains, candidate=shift).draw(2)
    _, chosen = _judge(table, Policy(min_evidence="C", accept_vacuous=True))
    assert (chosen.outcome, chosen.codes) == ("INCONCLUSIVE", ("EVIDENCE",))
    assert f"there {'is' if retrains == 1 else 'are'} {retrains}" in chosen.explanations[0]
    assert "--random" in chosen.would_change[0]
    _, drawn = _judge(table, Policy(min_evidence="C"), "random")
    assert drawn.outcome == ("PASS" if shift is none else "FAIL")
    assert "Assuming that the forget set is a random draw (declared)." in drawn.headline


def test_a_known_draw_reaches_grade_b_with_three_retrains_and_a_declared_one_does_not() -> None:
    from vestige.audit.verdict.evidence import gather

    outputs = replace(SY, retrains=3).draw(1).outputs()
    known, declared = (setting_of(outputs, known=True), setting_of(outputs, "random"))
    assert (known.name, known.source, declared.source) == ("random", "known", "declared")
    grades = [decide(gather(outputs, setting, Policy(), plots=False), Policy()).grade for setting in (known, declared)]
    assert grades == ["B", "C"]


def test_accuracy_that_is_lost_fails_alone(passed: tuple[Evidence, Verdict]) -> None:
    def worse(phi: Floats) -> None:
        phi[5, 6000:] -= 3.0

    evidence, verdict = _judge(_edit(SY.draw(0), worse))
    assert (verdict.outcome, verdict.codes) == ("FAIL", ("UTILITY",)) and verdict.reasons[0].where == ("retain",)
    assert "worse than retraining by more than the margin" in verdict.headline
    uncertain = tuple(replace(part, decision="uncertain") for part in passed[0].utility)
    verdict = decide(replace(passed[0], utility=uncertain), Policy())
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("UTILITY",))
    absent = decide(replace(passed[0], utility=()), Policy())
    assert (absent.outcome, absent.codes) == ("INCONCLUSIVE", ("UTILITY",))
    open_ = decide(replace(passed[0], utility=tuple(replace(p, decision="open") for p in passed[0].utility)), Policy())
    assert open_.outcome == "PASS" and "not shown within 0.02" in open_.headline


def test_every_direction_has_its_code() -> None:
    for name, code, where in (
        ("half of every memory", "LEAK", "M"),
        ("over-forgetting", "OVER_FORGET", "M"),
        ("scatter", "TRACE", "S"),
        ("others permuted", "TRACE", "V"),
        ("rounded", "TRACE", "D"),
    ):
        verdict = verdict_on(CASES[name](1))[1]
        found = {reason.code: reason.where for reason in verdict.reasons}
        assert verdict.outcome == "FAIL" and where in found[code], (name, verdict.reasons)  # type: ignore[index]
        assert len(verdict.explanations) == len(verdict.reasons)


@pytest.mark.parametrize(("gap", "code"), [(0.2, "LEAK"), (-0.2, "OVER_FORGET")])
@pytest.mark.parametrize("name", ["M", "L", "G"])
def test_an_endpoint_causes_fail_alone(name: str, gap: float, code: str, passed: tuple[Evidence, Verdict]) -> None:
    place = next(i for i, endpoint in enumerate(passed[0].endpoints) if endpoint.name == name)
    endpoints = list(passed[0].endpoints)
    endpoints[place] = replace(endpoints[place], decision="outside", gap=gap)
    verdict = decide(replace(passed[0], endpoints=tuple(endpoints)), Policy())
    assert (verdict.outcome, verdict.codes) == ("FAIL", (code,))
    assert verdict.reasons[0].where == (endpoints[place].label,) and f"{gap:+.3f}" in verdict.headline


def test_contaminated_retrains_give_no_pass() -> None:
    world = replace(SY, retrain=memorised(1.5), candidate=memorised(1.5))
    _, verdict = _judge(world.draw(1))
    assert verdict.outcome == "INCONCLUSIVE" and verdict.codes[0] == "NO_SIGNAL"
    assert "canaries" in verdict.would_change[0] and "the retrains were trained on it" in verdict.explanations[0]
    _, random = _judge(world.draw(1), declared="random")
    assert random.codes == ("REFERENCE",)


@pytest.mark.parametrize("accept", [False, True])
def test_contaminated_retrains_and_a_clean_original_give_no_pass(accept: bool) -> None:
    world = replace(SY, retrain=memorised(1.5), candidate=memorised(1.5), original=none)
    evidence, verdict = _judge(world.draw(1), Policy(accept_vacuous=accept))
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
    assert "the original looks less trained on the forget set than the retrains on M -0." in verdict.explanations[0]
    assert "which file is the original" in verdict.would_change[0] and evidence.reference.detecting is None


def test_an_original_without_memory_gives_no_pass_unless_that_is_accepted() -> None:
    table = replace(SY, original=none).draw(1)
    _, verdict = _judge(table)
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("NO_SIGNAL",))
    _, verdict = _judge(table, Policy(accept_vacuous=True))
    assert (verdict.outcome, verdict.codes) == ("PASS", ("NOTHING_TO_FORGET",))
    assert "nothing detectable to forget" in verdict.headline.lower()


def test_no_original_gives_no_pass_even_if_vacuous_is_accepted() -> None:
    for policy in (Policy(), Policy(accept_vacuous=True, min_evidence="C")):
        evidence, verdict = _judge(replace(SY, original=None).draw(0), policy)
        assert verdict.outcome == "INCONCLUSIVE" and verdict.codes[0] == "NO_SIGNAL" and verdict.grade == "C"
        assert "No original was given" in verdict.explanations[0] and evidence.share_forgotten is None


def test_an_original_that_any_endpoint_catches_is_not_vacuous() -> None:
    outputs = replace(SY, original=none).draw(0).outputs()
    assert outputs.original is not None
    like = replace(CASES["others permuted"](0), original=None).candidate
    policy = Policy(accept_vacuous=True)
    peaked = replace(outputs, original=like, candidate=outputs.candidate)
    evidence, verdict = verdict_on(peaked, None, policy)
    assert evidence.reference.firing == ("V",) and evidence.reference.detecting == ()
    assert verdict.codes == ("NO_SIGNAL",) and ", only V" in verdict.explanations[0]
    quiet = replace(evidence, reference=replace(evidence.reference, firing=()))
    assert decide(quiet, policy).codes == ("NOTHING_TO_FORGET",)


@pytest.mark.parametrize("identical", [4, 2])
def test_identical_retrains_are_no_reference(identical: int) -> None:
    outputs = SMALL.draw(0).outputs()
    retrain = outputs.retrain.copy()
    retrain[:identical] = retrain[0]
    for policy in (Policy(), Policy(accept_vacuous=True, min_evidence="C")):
        for declared in (None, "random"):
            evidence, verdict = verdict_on(replace(outputs, retrain=retrain), declared, policy)  # type: ignore[arg-type]
            assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
            assert all(endpoint.interval is None and endpoint.p_holm is None for endpoint in evidence.endpoints)
            assert "retrain 1 and retrain 2 are byte-equal" in verdict.explanations[0]


def test_a_retrain_that_fails_against_the_others_leaves_no_verdict(passed: tuple[Evidence, Verdict]) -> None:
    failed = Controls("", (NullControl("retrain 2", ("M",)), NullControl("retrain 3", ())), (), None)
    verdict = decide(replace(passed[0], controls=failed), Policy())
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
    assert verdict.reasons[0].where == ("null control",)
    assert "retrain 2" in verdict.explanations[0] and "retrain 3" not in verdict.explanations[0]


def test_where_s_and_t_are_not_in_force_there_is_no_grade_b() -> None:
    table = replace(SY, forget=400, unseen=4000).draw(3)
    evidence, verdict = _judge(table, Policy(min_evidence="C"))
    assert {e.name for e in evidence.endpoints if e.primary and e.gap is not None} == {"M"}
    assert verdict.grade == "C" and "NOT_JUDGED" in _codes(verdict)
    assert _judge(table)[1].codes[0] == "EVIDENCE"
    leak = replace(SY, forget=400, unseen=4000, candidate=memorised(1.5)).draw(3)
    assert {"T"} & {label for reason in _judge(leak)[1].reasons for label in reason.where}  # it can still cause FAIL


def test_in_force_follows_from_sizes_alone() -> None:
    """4 e <= margin, e from the sizes: e0 for S, that of the rate of chance for T."""
    for forget, unseen in ((400, 4000), (900, 4500), (1000, 5000), (2000, 3000), (1200, 9000)):
        table = replace(SY, forget=forget, unseen=unseen, retrains=2).draw(0)
        evidence, _ = _judge(table)
        found = {endpoint.name: endpoint for endpoint in evidence.endpoints}
        u, c = evidence.reference.unseen_evaluation, evidence.reference.unseen_calibration
        e_s = np.sqrt((forget + u + 1) / (12 * forget * u))
        f0 = 1 - np.ceil(0.99 * c) / (c + 1)
        e_t = np.sqrt(f0 * (1 - f0) * (1 / forget + 1 / c))
        assert found["S"].primary == (4 * e_s <= 0.05)
        assert found["T"].primary == (4 * e_t <= 0.02)


@pytest.mark.parametrize("forget", [1, 2, 3])
@pytest.mark.parametrize(("k", "declared"), [(3, None), (1, "random"), (6, "random")])
def test_a_tiny_forget_set_never_passes(forget: int, k: int, declared: Declared | None) -> None:
    evidence, verdict = _judge(World(forget=forget, unseen=1500, retain=50, retrains=k).draw(0), None, declared)
    assert verdict.outcome == "INCONCLUSIVE" and evidence.reference.forget == forget


def test_too_wide_and_near_the_margin_are_parted() -> None:
    _, weak = _judge(replace(SMALL, forget=150).draw(0))
    found = {reason.code: reason.where for reason in weak.reasons}
    assert weak.codes[0] == "EVIDENCE" and "M" in found["EVIDENCE"] and weak.would_change[0]
    _, near = _judge(replace(SY, forget=4000, unseen=10_000, candidate=constant(0.3)).draw(0))
    assert (near.outcome, near.codes) == ("INCONCLUSIVE", ("NEAR_MARGIN",)) and "M" in near.reasons[0].where


def test_a_detectable_gap_within_the_margin_is_said() -> None:
    world = World(forget=6000, unseen=20_000, retain=300, retrains=8, candidate=constant(0.15))
    _, verdict = _judge(world.draw(1), profile("screening"))
    assert verdict.outcome == "PASS" and "detectable but within margin" in verdict.headline


def test_the_narrowed_margin_decides() -> None:
    """The original's gap on M is between one and two margins: PASS needs less than half of it."""
    world = replace(SY, forget=4000, unseen=12_000, retrains=10, original=memorised(0.42), candidate=constant(0.11))
    evidence, verdict = _judge(world.draw(0))
    memory = evidence.endpoints[0]
    assert memory.original_gap is not None and 0.05 < memory.original_gap < 0.1
    assert memory.margin_effective == pytest.approx(memory.original_gap / 2) and memory.margin == 0.05
    assert memory.interval is not None and memory.margin_effective < memory.interval[1] < memory.margin
    assert memory.decision == "uncertain" and verdict.outcome != "PASS" and "MARGIN_NARROWED" in _codes(verdict)


def test_what_the_outputs_file_says_becomes_notes(passed: tuple[Evidence, Verdict]) -> None:
    codes = {"PEOPLE", "SATURATED", "CLASS_MIX"}
    assert not codes & _codes(passed[1])
    reference = replace(passed[0].reference, unit="person", saturated=12, classes_without_unseen=2)
    assert codes <= _codes(decide(replace(passed[0], reference=reference), Policy()))


def test_without_retain_rows_utility_is_judged_on_unseen_data() -> None:
    evidence, verdict = _judge(replace(SY, retain=0).draw(1))
    assert [part.role for part in evidence.utility] == ["unseen"]
    assert verdict.outcome == "PASS" and "RETAIN_NOT_ASSESSED" in _codes(verdict)


def test_scores_without_classes_are_judged_by_their_loss() -> None:
    world = replace(SY, classes=1)
    evidence, verdict = _judge(world.draw(0))
    assert {part.measure for part in evidence.utility} == {"log_loss"} and verdict.outcome == "PASS"
    absent = {endpoint.name: endpoint.reason for endpoint in evidence.endpoints if endpoint.gap is None}
    assert absent["L"] == "needs classes" and absent["V"] == "needs at least three classes"
    _, leak = _judge(replace(world, candidate=memorised(1.0)).draw(1))
    assert leak.outcome == "FAIL" and "LEAK" in leak.codes

    def worse(phi: Floats) -> None:
        phi[5, 6000:] -= 1.0

    assert "UTILITY" in _judge(_edit(world.draw(1), worse))[1].codes


def test_a_known_unseen_set_stands_beside_other_obstacles(passed: tuple[Evidence, Verdict]) -> None:
    check = passed[0].unseen_check
    assert check is not None and not check.known
    known = decide(replace(passed[0], unseen_check=replace(check, known=True)), Policy(min_evidence="A"))
    assert (known.outcome, known.codes) == ("INCONCLUSIVE", ("UNSEEN", "EVIDENCE"))
    assert "use unseen data that no model saw" in known.explanations[0]
    leak = verdict_on(CASES["half of every memory"](0))[0]
    assert leak.unseen_check is not None
    assert decide(replace(leak, unseen_check=replace(leak.unseen_check, known=True)), Policy()).outcome == "FAIL"


CLASS = ClassWorld(forget=800, unseen=1600, retain=600, retrains=6)


def test_a_forgotten_class_is_found_and_judged_by_its_own_endpoints() -> None:
    outputs = CLASS.draw(0)
    evidence, verdict = verdict_on(outputs)
    assert (evidence.setting.name, evidence.setting.source) == ("class", "detected")
    roles = {endpoint.label: endpoint.role for endpoint in evidence.endpoints if endpoint.gap is not None}
    assert {name for name, role in roles.items() if role == "primary"} >= {"M", "L", "B"}
    assert roles["S"] == roles["V"] == roles["D"] == roles["B: own logit"] == "fail_only"
    assert evidence.unseen_check is None and "G" not in {endpoint.name for endpoint in evidence.endpoints}
    assert evidence.reference.forget == 800
    assert evidence.reference.unseen_calibration + evidence.reference.unseen_evaluation == 1600
    assert {part.role: part.examples for part in evidence.utility} == {"retain": 600, "unseen": 1800}
    assert "Whole classes were forgotten." in verdict.headline
    assert verdict_on(outputs, "class")[0].setting.source == "declared"


@pytest.mark.parametrize("declared", ["random", "chosen"])
def test_a_declaration_that_the_labels_contradict_is_refused(declared: Declared) -> None:
    with pytest.raises(DataError, match=f"setting: {declared} was declared, but no retain row"):
        verdict_on(CLASS.draw(0), declared)
    with pytest.raises(DataError, match="setting: whole classes were declared, but retain rows have class"):
        verdict_on(SY.draw(0).outputs(), "class")


def _without(outputs: Outputs, rows: NDArray[np.bool_]) -> Outputs:
    assert outputs.original is not None
    return Outputs(
        labels=outputs.labels[rows],
        role=outputs.role[rows],
        candidate=outputs.candidate[rows],
        retrain=outputs.retrain[:, rows],
        original=outputs.original[rows],
    )


@pytest.mark.parametrize("case", ["fresh", "lowered"])
def test_a_forgotten_class_cannot_be_passed_off_as_a_sample(case: str) -> None:
    """Without retain rows of other classes, or with one row of the class among them, it is a class all the same: the
    original knows it and no retrain does."""
    outputs = CLASS.draw(0, CLASS_CASES[case])
    bare = _without(outputs, outputs.role != "retain")
    evidence, verdict = verdict_on(bare)
    assert evidence.setting.name == "class" and verdict.outcome == "INCONCLUSIVE"
    assert "retain rows of other classes" in next(r for r in verdict.reasons if r.code == "EVIDENCE").where
    labels = outputs.labels.copy()
    labels[-1] = 0
    evidence, verdict = verdict_on(replace(outputs, labels=labels))
    assert evidence.setting.name == "class" and (verdict.outcome == "FAIL") == (case == "lowered")


def test_a_masked_class_fails_even_where_nothing_else_is_judged() -> None:
    outputs = CLASS.draw(0, CLASS_CASES["masked"])
    _, verdict = verdict_on(replace(outputs, retrain=outputs.retrain[:1]))
    assert (verdict.outcome, verdict.codes) == ("FAIL", ("TRACE",)) and "switched off" in verdict.headline
    _, verdict = verdict_on(outputs)
    assert "masked class 0" in next(r.where for r in verdict.reasons if r.code == "TRACE")
    assert not verdict_on(CLASS.draw(0))[0].masked


def test_no_sentence_claims_more_than_attacks_that_were_tried() -> None:
    judged = [
        verdict_on(CASES[name](1), declared)
        for name in ("honest", "tail", "over-forgetting", "half of both", "rounded")
        for declared in (None, "random")
    ]
    judged += [verdict_on(CLASS.draw(0, make)) for make in CLASS_CASES.values()]
    judged += [_judge(replace(SMALL, forget=3).draw(0)), _judge(replace(SMALL, original=None).draw(0))]
    judged += [_judge(replace(SY, original=none).draw(1)), _judge(replace(SMALL, retrains=1).draw(0))]
    judged += [_judge(replace(SY, candidate=few, retrain=few).draw(0))]
    for _, verdict in judged:
        text = " ".join((verdict.headline, *verdict.explanations, *verdict.notes, *verdict.would_change)).lower()
        for claim in (*FORBIDDEN, "complian", "certif", "gdpr", "guarantee"):
            assert claim not in text
        assert "\n" not in text and "none" not in verdict.headline.lower().split()


def test_grades_need_what_they_say(passed: tuple[Evidence, Verdict]) -> None:
    for world, grade in (
        (SY, "B"),
        (replace(SY, retrains=4), "C"),
        (replace(SY, unseen=900), "C"),
        (replace(SY, original=None), "C"),
        (replace(SY, retrains=1), "C"),
    ):
        assert grade_of(_judge(world.draw(0))[0]) == grade
    _, verdict = verdict_on(CASES["honest"](0), None, Policy(min_evidence="A"))
    assert verdict.codes == ("EVIDENCE",) and "shadow models" in " ".join(verdict.would_change)
