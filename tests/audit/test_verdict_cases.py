"""The verdict on synthetic score tables, one candidate each (ground-truth.md, section 10)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.scores import Scores, score_signals
from vestige.audit.endpoints.simulation import Shift, Table, World, constant, memorised, none
from vestige.audit.policy import Policy, profile
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Verdict
from vestige.audit.results.wording import FORBIDDEN
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide, grade_of

Floats = NDArray[np.float64]
STANDARD = World(retain=500)
SMALL = World(forget=1000, unseen=3000, retain=300, retrains=5)


def _judge(table: Table, policy: Policy | None = None) -> tuple[Evidence, Verdict]:
    policy = policy or Policy()
    evidence = gather(table.outputs(), policy, plots=False)
    return evidence, decide(evidence, policy)


def _edit(table: Table, change: Callable[[Floats], None]) -> Table:
    phi = table.phi.copy()
    change(phi)
    return replace(table, phi=phi)


def _peaked(seed: int, model: int) -> Outputs:
    """Five classes; no model has memorised, but one (5: candidate, 6: original) peaks on forget examples among the
    classes that are not the label, with the phi of a retrain."""
    table = replace(SMALL, forget=2000, unseen=6000, original=none).draw(seed)
    others = np.random.default_rng(seed).normal(size=(*table.phi.shape, 4))
    others[model, : table.world.forget, 0] += 4.0
    own = table.phi + np.log(np.exp(others).sum(axis=-1))
    logits = np.concatenate([own[..., None], others], axis=-1)
    plain = table.outputs()
    return replace(plain, candidate=logits[5], retrain=logits[:5], original=logits[6])


def _codes(verdict: Verdict) -> set[str]:
    return {note.split(":")[0] for note in verdict.notes}


def _tested(evidence: Evidence) -> list[Endpoint]:
    """Without those that need shadow models, of which these tables have none."""
    return [one for one in evidence.endpoints if one.name not in ("A4", "T4", "F4", "F5")]


def test_vd_14_a_fresh_retrain_passes() -> None:
    evidence, verdict = _judge(STANDARD.draw(1))
    assert (verdict.outcome, verdict.reasons, verdict.grade) == ("PASS", (), "B")
    assert {one.decision for one in _tested(evidence)} == {"within"}
    assert verdict.headline.startswith("PASS: under battery 2, 10 retrains and margins AUC 0.05, TPR 0.02 at FPR 0.01,")
    assert "no tested attack separates the candidate from retraining by more than its margin (95 %)" in verdict.headline


def test_vd_15_a_copy_of_a_retrain_is_dropped_from_the_reference() -> None:
    def copy(phi: Floats) -> None:
        phi[10] = phi[0]

    evidence, verdict = _judge(_edit(STANDARD.draw(3), copy))
    assert evidence.reference.dropped == ("retrain 1",) and evidence.reference.retrains == 9
    assert all(len(one.retrains) == 9 for one in _tested(evidence))
    assert verdict.outcome == "PASS" and "RETRAIN_DROPPED" in _codes(verdict)


def test_vd_15b_nothing_but_copies_of_the_candidate_is_no_reference() -> None:
    def copy(phi: Floats) -> None:
        phi[:5] = phi[5]

    evidence, verdict = _judge(_edit(SMALL.draw(0), copy))
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("REFERENCE_INVALID",))
    assert "byte-equal to the candidate" in evidence.reference.problem


def test_vd_16_a_model_like_the_original_leaks() -> None:
    _, verdict = _judge(replace(STANDARD, candidate=memorised(1.5)).draw(0))
    assert verdict.outcome == "FAIL" and verdict.reasons[0] == "LEAK"
    assert "A2 +0.2" in verdict.headline and verdict.would_change


def test_vd_16b_the_original_itself_is_a_no_op() -> None:
    def copy(phi: Floats) -> None:
        phi[10] = phi[11]

    evidence, verdict = _judge(_edit(STANDARD.draw(0), copy))
    assert evidence.no_op and verdict.outcome == "FAIL"
    assert verdict.reasons[:2] == ("NOOP", "LEAK")
    assert len(verdict.explanations) == len(verdict.reasons)


def test_vd_16c_a_no_op_fails_whatever_the_reference_and_the_evidence() -> None:
    def copy(phi: Floats) -> None:
        phi[1] = phi[2] = phi[0]
        phi[5] = phi[6]

    _, verdict = _judge(_edit(SMALL.draw(0), copy))
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("NOOP",))
    quiet = replace(SMALL, original=none).draw(0)
    _, verdict = _judge(_edit(quiet, lambda phi: phi.__setitem__(5, phi[6])))
    assert verdict.outcome == "FAIL" and verdict.reasons[0] == "NOOP"


def test_vd_17_half_forgotten_fails() -> None:
    _, verdict = _judge(replace(STANDARD, candidate=memorised(0.75)).draw(0))
    assert verdict.outcome == "FAIL" and "LEAK" in verdict.reasons


def test_vd_19a_inverted_forget_confidences_scatter_without_over_forgetting() -> None:
    _, verdict = _judge(_edit(STANDARD.draw(0), lambda phi: np.negative(phi[10, :2000], out=phi[10, :2000])))
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("SCATTER", "TAIL"))


def test_vd_19b_a_negative_shift_over_forgets() -> None:
    _, verdict = _judge(replace(STANDARD, candidate=constant(-1.5)).draw(0))
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("OVER_FORGET", "SCATTER", "TAIL"))
    assert "Over-forgetting" in verdict.explanations[0] and "A2 -0." in verdict.explanations[0]


def test_vd_20_a_model_inverted_on_everything_fails_on_utility() -> None:
    evidence, verdict = _judge(_edit(STANDARD.draw(1), lambda phi: np.negative(phi[10], out=phi[10])))
    assert {one.decision for one in _tested(evidence)} == {"within"}
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("UTILITY",))
    assert {one.role: one.decision for one in evidence.utility}["retain"] == "inferior"
    assert "less accurate than retraining" in verdict.headline


def test_vd_20b_a_failed_utility_keeps_the_open_question_as_a_note() -> None:
    world = replace(SMALL, forget=100)
    _, verdict = _judge(_edit(world.draw(0), lambda phi: np.negative(phi[5], out=phi[5])))
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("UTILITY",))
    assert "UNDERPOWERED" in _codes(verdict) and len(verdict.explanations) == 1


def test_vd_21_two_directions_at_once_scatter() -> None:
    def halves(random: np.random.Generator, n: int) -> Floats:
        return np.where(np.arange(n) % 2, 1.5, -1.5)

    evidence, verdict = _judge(replace(STANDARD, candidate=halves).draw(0))
    assert abs(evidence.endpoints[0].gap or 1.0) < 0.03
    assert verdict.outcome == "FAIL" and verdict.reasons[0] == "SCATTER"


def test_vd_22_a_few_exposed_examples_are_caught() -> None:
    def few(random: np.random.Generator, n: int) -> Floats:
        return np.where(np.arange(n) < n // 20, 4.0, 0.0)

    _, verdict = _judge(replace(STANDARD, candidate=few).draw(0))
    assert verdict.outcome == "FAIL" and {"TAIL", "SCATTER"} & set(verdict.reasons)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("shift", [none, memorised(1.5), constant(-0.1)])
@pytest.mark.parametrize("required", ["B", "S"])
def test_vd_24_one_or_two_retrains_never_pass(k: int, shift: Shift, required: str) -> None:
    world = replace(SMALL, retrains=k, candidate=shift)
    _, verdict = _judge(world.draw(0), Policy.of({"min_evidence": required, "accept_vacuous": True}))
    assert verdict.grade == "S"
    if shift is none:
        assert verdict.outcome == "INCONCLUSIVE" and verdict.reasons[0] == "EVIDENCE_GRADE"
    assert verdict.outcome != "PASS"


def test_vd_24b_one_retrain_can_fail_with_an_allowance_for_the_seed() -> None:
    outcomes = []
    for size in (0.25, 0.45, 1.5):
        evidence, verdict = _judge(replace(SMALL, forget=3000, retrains=1, candidate=constant(size)).draw(0))
        a1 = evidence.endpoints[0]
        assert a1.simultaneous is not None
        assert (a1.decision == "outside") == (a1.simultaneous[0] > 0.05 + 0.03)
        outcomes.append(verdict.reasons[0])
    assert outcomes == ["EVIDENCE_GRADE", "EVIDENCE_GRADE", "LEAK"]


def test_vd_25_contaminated_retrains_give_no_pass() -> None:
    world = replace(STANDARD, retrain=memorised(1.5), candidate=memorised(1.5))
    evidence, verdict = _judge(world.draw(1))
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",))
    assert evidence.reference.assay_sensitive is False and "canaries" in verdict.would_change[0]


@pytest.mark.parametrize("accept", [False, True])
def test_vd_25b_contaminated_retrains_and_a_clean_original_give_no_pass(accept: bool) -> None:
    world = replace(STANDARD, retrain=memorised(1.5), candidate=memorised(1.5), original=none)
    evidence, verdict = _judge(world.draw(1), Policy(accept_vacuous=accept))
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("REFERENCE_INVALID",))
    assert "the original looks less trained on the forget set than the retrains on A1 -0.1" in verdict.explanations[0]
    assert "the retrains saw the forget set" in verdict.explanations[0]
    assert "which file is the original" in verdict.would_change[0]
    assert evidence.reference.assay_sensitive is None


def test_vd_26_a_forget_set_harder_than_unseen_data() -> None:
    world = replace(STANDARD, forget_difficulty=-0.6459, candidate=constant(0.6459))
    evidence, verdict = _judge(world.draw(0))
    assert evidence.baseline.retrain_auc == pytest.approx(0.40, abs=0.02)
    assert evidence.baseline.auc == pytest.approx(0.50, abs=0.03)
    assert not evidence.baseline.exchangeable and not evidence.baseline.disagrees
    assert verdict.outcome == "FAIL" and verdict.reasons[0] == "LEAK" and "NOT_EXCHANGEABLE" in _codes(verdict)


def test_vd_27_an_original_without_memory_gives_no_pass() -> None:
    _, verdict = _judge(replace(STANDARD, original=none).draw(1))
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",))


def test_vd_27b_no_original_gives_no_pass_even_if_vacuous_is_accepted() -> None:
    world = replace(SMALL, original=None)
    for policy in (Policy(), Policy(accept_vacuous=True, min_evidence="C")):
        evidence, verdict = _judge(world.draw(0), policy)
        assert (verdict.outcome, verdict.reasons[0]) == ("INCONCLUSIVE", "NO_ASSAY_SENSITIVITY")
        assert evidence.reference.assay_sensitive is None and "No original was given" in verdict.explanations[0]
        assert verdict.grade == "C"


@pytest.mark.parametrize("identical", [5, 2])
def test_vd_28_and_st_16_identical_retrains_are_no_reference(identical: int) -> None:
    def copy(phi: Floats) -> None:
        phi[:identical] = phi[0]

    for policy in (Policy(), Policy(accept_vacuous=True, min_evidence="S")):
        evidence, verdict = _judge(_edit(SMALL.draw(0), copy), policy)
        assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("REFERENCE_INVALID",))
        assert all(one.interval is None and one.decision == "not estimable" for one in evidence.endpoints)
        assert "retrain 1 and retrain 2 are byte-equal" in verdict.explanations[0]


def test_vd_37_without_tail_endpoints_grade_b_is_out_of_reach() -> None:
    world = replace(STANDARD, forget=4000, unseen=1200)
    policy = replace(profile("screening"))
    evidence, verdict = _judge(world.draw(0), policy)
    assert {one.decision for one in evidence.endpoints if one.sides == "upper"} == {"not estimable"}
    assert (verdict.outcome, verdict.reasons, verdict.grade) == ("INCONCLUSIVE", ("EVIDENCE_GRADE",), "C")
    _, verdict = _judge(world.draw(0), replace(policy, min_evidence="C"))
    assert verdict.outcome == "PASS" and "TAIL_NOT_ASSESSED" in _codes(verdict)
    assert "POLICY_OVERRIDES" in _codes(verdict)


def test_vd_38_a_vacuous_audit_passes_where_the_policy_accepts_it() -> None:
    world = replace(STANDARD, original=none)
    _, verdict = _judge(world.draw(1), Policy(accept_vacuous=True))
    assert (verdict.outcome, verdict.reasons) == ("PASS", ("NOTHING_TO_FORGET",))
    assert "nothing detectable to forget" in verdict.headline


def test_an_original_that_any_endpoint_catches_is_not_vacuous() -> None:
    outputs = _peaked(0, model=6)
    policy = Policy(accept_vacuous=True)
    evidence = gather(outputs, policy, plots=False)
    reference = evidence.reference
    assert reference.assay_sensitive is False and reference.firing and not reference.detecting
    verdict = decide(evidence, policy)
    assert verdict.outcome == "INCONCLUSIVE" and verdict.reasons[0] == "NO_ASSAY_SENSITIVITY"
    assert ", only F2" in verdict.explanations[0]
    quiet = replace(evidence, reference=replace(reference, firing=()))
    assert "NO_ASSAY_SENSITIVITY" not in decide(quiet, policy).reasons


def test_vd_38b_a_vacuous_audit_without_power_does_not_pass() -> None:
    for size in (3, 60):
        _, verdict = _judge(
            replace(SMALL, forget=size, original=none).draw(0), Policy(accept_vacuous=True, min_evidence="S")
        )
        assert verdict.outcome == "INCONCLUSIVE" and verdict.reasons[0] in ("UNDERPOWERED", "REFERENCE_INVALID")


def test_vd_39_three_retrains_do_not_reach_grade_b() -> None:
    world = replace(STANDARD, retrains=3)
    _, verdict = _judge(world.draw(0))
    assert (verdict.outcome, verdict.reasons, verdict.grade) == ("INCONCLUSIVE", ("EVIDENCE_GRADE",), "C")
    assert "5 retrains (there are 3)" in verdict.explanations[0]
    _, verdict = _judge(replace(world, candidate=memorised(1.5)).draw(0))
    assert verdict.outcome == "FAIL"


def test_grade_a_is_out_of_reach_for_now() -> None:
    _, verdict = _judge(STANDARD.draw(1), Policy(min_evidence="A"))
    assert (verdict.outcome, verdict.reasons, verdict.grade) == ("INCONCLUSIVE", ("EVIDENCE_GRADE",), "B")
    assert "shadow models" in verdict.explanations[0]


@pytest.mark.parametrize("forget", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_tiny_forget_set_is_inconclusive(forget: int, k: int) -> None:
    evidence, verdict = _judge(World(forget=forget, unseen=1500, retrains=k).draw(0))
    assert verdict.outcome == "INCONCLUSIVE" and evidence.reference.forget == forget


def test_underpowered_and_near_margin_are_told_apart() -> None:
    _, weak = _judge(replace(SMALL, forget=150).draw(0))
    assert weak.reasons[0] == "UNDERPOWERED" and weak.would_change[0]
    _, near = _judge(replace(STANDARD, forget=4000, candidate=constant(0.17)).draw(0))
    assert (near.outcome, near.reasons) == ("INCONCLUSIVE", ("NEAR_MARGIN",))


def test_a_detectable_gap_within_the_margin_is_said() -> None:
    world = World(forget=6000, unseen=20_000, retain=300, candidate=constant(0.08))
    _, verdict = _judge(world.draw(1), profile("screening"))
    assert verdict.outcome == "PASS" and "DETECTABLE_WITHIN_MARGIN" in _codes(verdict)
    assert verdict.headline.endswith("detectable but within margin.")


def test_a_candidate_peaked_on_other_classes_than_the_label_leaks() -> None:
    outputs = _peaked(0, model=5)
    policy = Policy(accept_vacuous=True)
    evidence = gather(outputs, policy, plots=False)
    decisions = {one.name: one.decision for one in evidence.endpoints}
    assert decisions["F2"] == "outside" and "outside" not in {decisions[name] for name in ("A1", "A2", "A3", "F1")}
    verdict = decide(evidence, policy)
    assert verdict.outcome == "FAIL" and verdict.reasons == ("LEAK",)
    assert "F2 +0." in verdict.explanations[0]


@pytest.mark.parametrize(("gap", "reason"), [(0.2, "LEAK"), (-0.2, "OVER_FORGET")])
@pytest.mark.parametrize("name", ["F1", "F2", "F3"])
def test_an_endpoint_that_can_only_cause_fail_causes_it_alone(name: str, gap: float, reason: str) -> None:
    evidence, _ = _judge(STANDARD.draw(1))
    moved = tuple(replace(one, decision="outside", gap=gap) if one.name == name else one for one in evidence.endpoints)
    verdict = decide(replace(evidence, endpoints=moved), Policy())
    assert (verdict.outcome, verdict.reasons) == ("FAIL", (reason,))
    assert f"{name} {gap:+.3f}" in verdict.headline and f"{name} {gap:+.3f}" in verdict.explanations[0]


def test_f1_alone_fails_a_candidate_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # RMIA on these tables goes with phi; a score that only F1 reads stands for an RMIA that sees more.
    def seeing(*given: object, **named: object) -> Scores:
        scores = score_signals(*given, **named)  # type: ignore[arg-type]
        assert scores.rmia is not None
        moved = scores.rmia.copy()
        moved[scores.retrains, scores.forget] += 0.3
        return replace(scores, rmia=moved)

    monkeypatch.setattr("vestige.audit.verdict.evidence.score_signals", seeing)
    evidence, verdict = _judge(STANDARD.draw(1))
    assert {one.name for one in _tested(evidence) if one.decision != "within"} == {"F1"}
    assert (verdict.outcome, verdict.reasons) == ("FAIL", ("LEAK",)) and "F1 +0." in verdict.headline


def test_a_sign_that_does_not_know_the_label_yields_to_those_that_do() -> None:
    evidence, _ = _judge(STANDARD.draw(1))
    gaps = {"A1": -0.2, "F2": 0.2}
    moved = tuple(
        replace(one, decision="outside", gap=gaps[one.name]) if one.name in gaps else one for one in evidence.endpoints
    )
    verdict = decide(replace(evidence, endpoints=moved), Policy())
    assert verdict.reasons == ("OVER_FORGET",) and "F2" not in verdict.explanations[0]
    assert "A1 -0.200, F2 +0.200" in verdict.headline


def test_vd_41_the_narrowed_margin_decides_end_to_end() -> None:
    # O's gap on A1 is between one and two margins; a candidate within the declared margin may be beyond half of it.
    world = replace(
        STANDARD, forget=8000, unseen=20_000, original=memorised(0.5), candidate=constant(0.3), seed_effect=0
    )
    evidence, verdict = _judge(world.draw(0))
    a1 = evidence.endpoints[0]
    assert a1.original_gap is not None and a1.interval is not None and a1.gap is not None
    assert 0.05 < a1.original_gap < 0.10
    assert a1.margin_effective == pytest.approx(a1.original_gap / 2) and a1.margin == 0.05
    assert a1.margin_effective < a1.interval[1] < a1.margin and a1.decision == "uncertain"
    assert verdict.outcome != "PASS" and any(note.startswith("MARGIN_NARROWED: ") for note in verdict.notes)


def test_conservative_reaches_the_verdict() -> None:
    found = 0
    world = World(forget=1000, unseen=3000, retain=500, seed_effect=0.0)
    for seed in range(12):
        outputs = world.draw(seed).outputs()
        endpoints = gather(outputs, Policy(), plots=False).endpoints
        reach = [
            (abs(one.gap or 0.0) + (one.half_width or 0.0), abs(one.gap or 0.0) + (one.example_half_width or 0.0))
            for one in endpoints
            if one.primary and one.sides == "two"
        ]
        plain, careful = max(own for own, _ in reach), max(max(both) for both in reach)
        if careful - plain < 5e-4:
            continue
        found += 1
        # A margin that the interval from the retrains fits into, and the wider one does not.
        margin = (plain + careful) / 2
        for conservative, reasons in ((False, ()), (True, ("NEAR_MARGIN",))):
            policy = Policy(margin_auc=margin, margin_tpr=0.05, margin_utility=0.2, conservative=conservative)
            verdict = decide(gather(outputs, policy, plots=False), policy)
            assert verdict.reasons == reasons, (seed, margin)
    assert found


def test_a_pass_with_an_open_fail_only_endpoint_says_so() -> None:
    evidence, _ = _judge(STANDARD.draw(1))
    open_ = tuple(replace(one, decision="uncertain") if one.name == "F1" else one for one in evidence.endpoints)
    verdict = decide(replace(evidence, endpoints=open_), Policy())
    assert verdict.outcome == "PASS" and "FAIL_ONLY_OPEN" in _codes(verdict)
    assert "no primary endpoint separates" in verdict.headline and "no tested attack" not in verdict.headline
    leaky = replace(evidence, endpoints=(replace(open_[0], decision="outside", gap=0.2), *open_[1:]))
    assert "FAIL_ONLY_OPEN" not in _codes(decide(leaky, Policy()))


def test_what_the_outputs_file_says_becomes_notes() -> None:
    evidence, verdict = _judge(STANDARD.draw(1))
    codes = {"PEOPLE", "SATURATED", "CLASS_MIX"}
    assert not codes & _codes(verdict)
    reference = replace(evidence.reference, unit="person", saturated=12, classes_without_unseen=2)
    assert codes <= _codes(decide(replace(evidence, reference=reference), Policy()))


def test_too_few_examples_to_tell_models_apart_are_not_cured_by_training_again() -> None:
    for seed in range(20):
        evidence, verdict = _judge(World(forget=1, unseen=12, retrains=3).draw(seed))
        if "the same value on every retrain" in evidence.reference.problem:
            assert "more forget or unseen examples" in verdict.would_change[0]
            return
    raise AssertionError("no table without a difference between retrains")


def test_baseline_disagreement_blocks_a_pass() -> None:
    evidence, verdict = _judge(STANDARD.draw(1))
    assert verdict.outcome == "PASS"
    spoiled = replace(evidence, baseline=replace(evidence.baseline, disagrees=True))
    verdict = decide(spoiled, Policy())
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("BASELINE_DISAGREEMENT",))
    assert "the comparisons with retraining and with unseen data contradict each other" in verdict.headline
    assert "differs from retraining" not in verdict.headline


def test_the_baseline_disagrees_beyond_margin_and_the_retrains_own_interval() -> None:
    seen = []
    for size in (0.1, 0.36, 0.38, 0.40, 0.42, 1.5):
        baseline = _judge(replace(STANDARD, candidate=constant(size)).draw(0))[0].baseline
        low, high = baseline.retrain_interval
        beyond = [baseline.interval[0] - 0.5 - 0.05 - extra for extra in (0.0, (high - low) / 2)]
        assert baseline.exchangeable and baseline.disagrees is (beyond[1] > 0)
        seen.append([value > 0 for value in beyond])
    assert [False, False] in seen and [True, True] in seen and [True, False] in seen


def test_utility_that_is_not_settled_makes_a_pass_inconclusive() -> None:
    evidence, verdict = _judge(STANDARD.draw(1))
    assert verdict.outcome == "PASS" and "RETAIN_NOT_ASSESSED" not in _codes(verdict)
    open_ = tuple(replace(one, decision="uncertain") for one in evidence.utility)
    verdict = decide(replace(evidence, utility=open_), Policy())
    assert (verdict.outcome, verdict.reasons) == ("INCONCLUSIVE", ("UTILITY_UNCERTAIN",))
    assert "no tested attack separates" in verdict.headline and "as accurate as retraining" in verdict.headline
    assert "differs from retraining" not in verdict.headline


def test_without_retain_rows_utility_is_judged_on_unseen_data() -> None:
    evidence, verdict = _judge(replace(STANDARD, retain=0).draw(1))
    assert [one.role for one in evidence.utility] == ["unseen"]
    assert verdict.outcome == "PASS" and "RETAIN_NOT_ASSESSED" in _codes(verdict)


def test_rp_11_no_sentence_claims_more_than_attacks_that_were_tried() -> None:
    tables = [
        STANDARD.draw(1),
        replace(STANDARD, candidate=memorised(1.5)).draw(0),
        replace(SMALL, forget=3).draw(0),
        replace(SMALL, retrains=1).draw(0),
        replace(STANDARD, retrain=memorised(1.5), original=none).draw(0),
        _edit(STANDARD.draw(1), lambda phi: np.negative(phi[10], out=phi[10])),
        replace(SMALL, original=None).draw(0),
        replace(STANDARD, candidate=constant(-1.5)).draw(0),
        replace(STANDARD, original=none).draw(1),
    ]
    for table in tables:
        _, verdict = _judge(table)
        text = " ".join((verdict.headline, *verdict.explanations, *verdict.notes, *verdict.would_change)).lower()
        for claim in (*FORBIDDEN, "complian", "certif", "gdpr", "guarantee"):
            assert claim not in text
        assert "margins auc 0.05, tpr 0.02 at fpr 0.01" in verdict.headline.lower() and "\n" not in text


def test_grades_need_what_they_say() -> None:
    for world, grade in (
        (SMALL, "B"),
        (replace(SMALL, retrains=4), "C"),
        (replace(SMALL, unseen=900), "C"),
        (replace(SMALL, original=None), "C"),
        (replace(SMALL, retrains=2), "S"),
    ):
        assert grade_of(gather(world.draw(0).outputs(), Policy(), plots=False)) == grade
