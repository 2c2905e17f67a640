"""A4, T4, F4 and F5 on synthetic audits with shadow models: values, rules, grades, error rates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.audit.judging import judge
from tests.audit.shadow_tables import Shadowed
from vestige.audit.endpoints.endpoints import measure
from vestige.audit.endpoints.preconditions import examine
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.setting import CHOSEN
from vestige.audit.results.shadows import ShadowEvidence, ShadowTables, why_absent
from vestige.audit.statistics.intervals import clopper_pearson
from vestige.audit.verdict.controls import SHARES, run_controls
from vestige.audit.verdict.evidence import gather, preconditions
from vestige.audit.verdict.grades import grade_of
from vestige.audit.verdict.rule import decide

POLICY = Policy()
WORLD = World(forget=1500, unseen=8000, retain=1500, retrains=8)
SMALL = World(forget=300, unseen=1600, retain=200, retrains=5)
SHADOWED = ("A4", "T4", "F4", "F5")
FULL = ShadowEvidence("bank-0", 64, 64, (), 1000)


def evidence_of(shadowed: Shadowed, seed: int = 1) -> Evidence:
    outputs, tables = shadowed.draw(seed, POLICY)
    return gather(outputs, CHOSEN, POLICY, plots=False, shadows=tables)


def values(evidence: Evidence, field: str) -> dict[str, Any]:
    return {endpoint.name: getattr(endpoint, field) for endpoint in evidence.endpoints}


def test_values_are_areas_of_the_attacks_on_the_examples_that_they_judge() -> None:
    shadowed = Shadowed(SMALL, shadows=20, unlearned=20, residue=1.0)
    outputs, tables = shadowed.draw(1, POLICY)
    evidence = gather(outputs, CHOSEN, POLICY, plots=False, shadows=tables)
    forget = outputs.where("forget")[outputs.role != "retain"]
    scores = score(read(outputs, CHOSEN, range(5), 0.2))
    named = {endpoint.name: endpoint for endpoint in evidence.endpoints}
    for name, attack in (("A4", "ulira"), ("F4", "lira_online"), ("F5", "lira_offline")):
        rows = forget | scores.evaluation
        rows &= tables.judged if attack == "ulira" else True
        areas = [roc_auc_score(forget[rows], model[rows]) for model in tables.tables[attack]]
        assert named[name].retrains == pytest.approx(areas[:5], abs=1e-12)
        assert (named[name].candidate, named[name].original) == pytest.approx(tuple(areas[5:]), abs=1e-12)
    assert evidence.shadows is not None
    assert evidence.shadows.unseen_evaluation == int((tables.judged & scores.evaluation).sum()) < 300
    assert "1000 unseen examples for evaluation, got" in named["T4"].reason  # of those that the shadows unlearned


def test_a_copy_of_a_retrain_is_dropped_from_the_shadows_tables_too() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=0).draw(1, POLICY)
    same = replace(outputs, candidate=outputs.retrain[1])
    moved = {name: table.copy() for name, table in tables.tables.items()}
    for table in moved.values():
        table[5] = table[1]
    found = gather(same, CHOSEN, POLICY, plots=False, shadows=replace(tables, tables=moved))
    plain = gather(outputs, CHOSEN, POLICY, plots=False, shadows=tables)
    kept = [0, 2, 3, 4]
    for name in ("F4", "F5"):
        before = values(plain, "retrains")[name]
        assert values(found, "retrains")[name] == tuple(before[k] for k in kept)
        assert values(found, "candidate")[name] == before[1]


def test_without_shadows_nothing_else_changes() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16).draw(1, POLICY)
    bare, full = (gather(outputs, CHOSEN, POLICY, plots=False, shadows=given) for given in (None, tables))
    assert bare.shadows is None and {values(bare, "reason")[name] for name in SHADOWED} == {"needs a shadow bank"}
    for endpoint, two in zip(bare.endpoints, full.endpoints, strict=True):
        if endpoint.name not in SHADOWED:
            # A larger family makes Holm stricter, and that is all.
            fields = ("p_holm", "p_zero_holm", "weight", "decision")
            assert replace(two, **{name: getattr(endpoint, name) for name in fields}) == endpoint
    codes = [[note.partition(":")[0] for note in decide(evidence, POLICY).notes] for evidence in (bare, full)]
    assert codes[0] == [code for code in codes[1] if code != "FEW_SHADOWS"] != codes[1]


ABSENT: list[tuple[str, ShadowEvidence | None, str]] = [
    ("no bank", None, "needs a shadow bank"),
    ("few", replace(FULL, shadows=14), "needs at least 16 shadows, got 14"),
    ("faulty", replace(FULL, problem="a shadow diverged"), "a shadow diverged"),
]
ABSENT_ULIRA: list[tuple[str, ShadowEvidence | None, str]] = [
    *ABSENT,
    ("not run", replace(FULL, unlearned=0), "needs shadows that the candidate's method was run on"),
    ("few unlearned", replace(FULL, unlearned=14), "needs at least 16 unlearned shadows, got 14"),
    ("coarse", replace(FULL, unseen_evaluation=9), "needs at least 10 unseen evaluation examples"),
    ("broken method", replace(FULL, unlearned_problem="outputs hold NaN"), "outputs hold NaN"),
]


@pytest.mark.parametrize(
    ("shadows", "why"), [case[1:] for case in ABSENT_ULIRA], ids=[case[0] for case in ABSENT_ULIRA]
)
def test_when_endpoints_with_shadows_are_not_in_force(shadows: ShadowEvidence | None, why: str) -> None:
    assert why_absent("ulira", shadows).startswith(why) and why_absent("z", shadows) == ""
    bank = any(why == case[2] for case in ABSENT)
    assert why_absent("lira_online", shadows) == (why if bank else "")


def scarce(name: str) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        return replace(
            evidence,
            endpoints=tuple(
                replace(endpoint, candidate=None) if endpoint.name == name else endpoint
                for endpoint in evidence.endpoints
            ),
        )

    return change


def of_reference(**fields: Any) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, reference=replace(evidence.reference, **fields))


def of_shadows(**fields: Any) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        assert evidence.shadows is not None
        return replace(evidence, shadows=replace(evidence.shadows, **fields))

    return change


def all_of(*changes: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        for change_of in changes:
            evidence = change_of(evidence)
        return evidence

    return change


GRADES: list[tuple[str, Callable[[Evidence], Evidence], str]] = [
    ("all there", of_shadows(), "A"),
    ("U-LiRA alone", all_of(scarce("F4"), scarce("F5"), of_shadows(shadows=32)), "A"),
    ("LiRA alone", all_of(scarce("A4"), scarce("T4"), of_shadows(unlearned=0)), "A"),
    ("U-LiRA on few", of_shadows(shadows=32, unlearned=32), "B"),
    ("LiRA on many, U-LiRA on few", of_shadows(unlearned=16), "A"),
    ("62 shadows", of_shadows(shadows=62, unlearned=62), "B"),
    ("no tail of U-LiRA", scarce("T4"), "A"),
    ("a bank that is not in force", all_of(*map(scarce, SHADOWED)), "B"),
    ("no bank", lambda evidence: replace(evidence, shadows=None), "B"),
    ("four retrains", of_reference(retrains=4), "C"),
    ("no original", of_reference(original=False), "C"),
    ("no tails", scarce("T"), "C"),
    ("no spread", scarce("S"), "C"),
    ("two retrains", of_reference(retrains=2), "C"),
]


@pytest.fixture(scope="module")
def perfect() -> Evidence:
    return evidence_of(Shadowed(WORLD, residue=0.1))


@pytest.mark.parametrize(("change", "grade"), [case[1:] for case in GRADES], ids=[case[0] for case in GRADES])
def test_grades(perfect: Evidence, change: Callable[[Evidence], Evidence], grade: str) -> None:
    assert grade_of(change(perfect)) == grade


def test_a_policy_may_ask_for_grade_a(perfect: Evidence) -> None:
    strict = Policy(min_evidence="A")
    assert (decide(perfect, strict).outcome, decide(perfect, strict).grade) == ("PASS", "A")
    bare = replace(perfect, shadows=None, endpoints=tuple(
        replace(endpoint, candidate=None, decision="not estimable") if endpoint.name in SHADOWED else endpoint
        for endpoint in perfect.endpoints
    ))  # fmt: skip
    verdict = decide(bare, strict)
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("EVIDENCE",))
    assert "LiRA or U-LiRA from 64 shadow models or more (vestige shadows" in verdict.would_change[0]
    few = of_shadows(shadows=32, unlearned=32)(perfect)
    assert "there are 32" in decide(few, strict).explanations[0]


def test_a4_is_required_for_pass_where_it_is_in_force(perfect: Evidence) -> None:
    def uncertain(name: str) -> Evidence:
        return replace(perfect, endpoints=tuple(
            replace(endpoint, decision="uncertain") if endpoint.name == name else endpoint
            for endpoint in perfect.endpoints
        ))  # fmt: skip

    assert decide(uncertain("A4"), POLICY).codes == ("NEAR_MARGIN",)
    assert decide(uncertain("T4"), POLICY).codes == ("NEAR_MARGIN",)
    for name in ("F4", "F5"):
        verdict = decide(uncertain(name), POLICY)
        assert verdict.outcome == "PASS" and f"FAIL_ONLY_OPEN: {name} can only cause FAIL" in "".join(verdict.notes)


def test_a_leak_fails_on_all_of_them_with_the_right_words() -> None:
    evidence = evidence_of(Shadowed(replace(WORLD, candidate=memorised(0.75)), residue=0.5))
    verdict = decide(evidence, POLICY)
    outside = {name for name, decision in values(evidence, "decision").items() if decision == "outside"}
    assert set(SHADOWED) <= outside
    assert verdict.codes == ("LEAK", "TRACE") and "A4 U-LiRA +0." in verdict.explanations[1]


def test_over_forgetting_leaves_a_trace_that_is_called_no_leak() -> None:
    """The higher U-LiRA, the more like an example that this method was told to forget: with a method that overshoots
    such examples are *less* familiar, and the sign of A4 says leak while that of M says over-forgetting."""
    evidence = evidence_of(Shadowed(replace(WORLD, candidate=constant(-1.0)), residue=-0.7))
    gaps = values(evidence, "gap")
    assert gaps["A4"] > 0.15 and gaps["M"] < -0.15
    verdict = decide(evidence, POLICY)
    assert {"OVER_FORGET", "TRACE"} <= set(verdict.codes) and "LEAK" not in verdict.codes


@pytest.mark.parametrize(("name", "attack"), [("A4", "ulira"), ("F4", "lira_online")])
def test_an_original_on_the_other_side_does_not_make_the_retrains_suspect(name: str, attack: str) -> None:
    """U-LiRA puts it there where a method overshoots, online LiRA where the original knows more than any shadow."""
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16).draw(1, POLICY)
    moved = tables.tables[attack].copy()
    moved[-1, outputs.where("forget")[outputs.role != "retain"]] -= 5
    turned = replace(tables, tables={**tables.tables, attack: moved})
    reference = gather(outputs, CHOSEN, POLICY, plots=False, shadows=turned).reference
    assert reference.valid and name in reference.firing and name not in reference.detecting
    assert reference.detecting  # by others


def test_what_shadows_say_of_the_original_is_something_found_but_no_positive_control() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16, residue=1.0).draw(1, POLICY)
    scores = {name: np.random.default_rng(0).normal(size=table.shape) for name, table in tables.tables.items()}
    forget = outputs.where("forget")[outputs.role != "retain"]
    scores["ulira"][6, forget] += 3  # no other attack sees anything on the original
    flat = replace(
        outputs, original=outputs.candidate + np.random.default_rng(1).normal(0, 0.5, outputs.candidate.shape)
    )
    found = gather(flat, CHOSEN, POLICY, plots=False, shadows=replace(tables, tables=scores))
    assert found.reference.detecting == () and found.reference.firing == ("A4",)
    scores["ulira"], scores["lira_online"] = scores["lira_online"], scores["ulira"]
    found = gather(flat, CHOSEN, POLICY, plots=False, shadows=replace(tables, tables=scores))
    assert found.reference.detecting == () and found.reference.firing == ("F4",)


def test_preconditions_are_blind_to_the_method() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16, residue=1.0).draw(1, POLICY)
    moved = {**tables.tables, "ulira": np.random.default_rng(0).normal(size=tables.tables["ulira"].shape)}
    blind = preconditions(outputs, CHOSEN, POLICY, shadows=tables)
    assert blind == preconditions(outputs, CHOSEN, POLICY, shadows=replace(tables, tables=moved))
    assert {"F4", "F5"} <= set(blind.firing) and "A4" not in blind.firing


def test_more_unseen_examples_are_no_remedy_for_u_lira() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16).draw(1, POLICY)
    reference = gather(outputs, CHOSEN, POLICY, plots=False, shadows=tables).reference
    assert "A4" in reference.wide + reference.short_of_power
    models = np.arange(7)
    scores = score(read(outputs, CHOSEN, range(5), 0.2)).with_shadows(tables.take(models))
    ulira = next(found for found in measure(scores, POLICY) if found.name == "A4")
    assert ulira.statistic.unseen_share == 0.0
    assert "unseen examples in place" not in examine([ulira], (), False, POLICY).remedy


def test_lira_takes_part_in_the_controls_and_u_lira_does_not() -> None:
    shadowed = Shadowed(SMALL, shadows=32, unlearned=32, residue=1.0)
    outputs, tables = shadowed.draw(1, POLICY)
    with_, without = run_controls(outputs, CHOSEN, POLICY, tables), run_controls(outputs, CHOSEN, POLICY)
    assert not with_.accused and len(with_.planted) == len(SHARES)
    # What LiRA alone can see: scores on which only the original stands out.
    alone = {name: np.random.default_rng(1).normal(size=table.shape) for name, table in tables.tables.items()}
    forget = outputs.where("forget")[outputs.role != "retain"]
    alone["lira_offline"][-1, forget] += 5
    seen = run_controls(outputs, CHOSEN, POLICY, replace(tables, tables=alone))
    assert seen.planted[-2].caught == 5 >= without.planted[-2].caught
    alone["lira_offline"][1, forget] += 5  # a retrain that the shadows know for a member
    accused = run_controls(outputs, CHOSEN, POLICY, replace(tables, tables=alone))
    assert accused.accused == ("retrain 2",) and accused.null[1].outside == ("F5",)
    del alone["lira_offline"], alone["lira_online"]
    assert isinstance(replace(tables, tables=alone), ShadowTables)


def test_a_retrain_fails_no_more_often_with_shadows_than_the_policy_says() -> None:
    """False FAIL over the enlarged family: 40 fresh retrains under the two signs of trouble, a small audit and a strong
    effect of the seed on the forget set."""
    world = replace(SMALL, seed_effect=0.15)
    runs, failed, covered = 40, 0, []
    for seed in range(runs):
        outputs, tables = Shadowed(world, shadows=16, unlearned=16, residue=0.5).draw(seed, POLICY)
        evidence = gather(outputs, CHOSEN, POLICY, plots=False, shadows=tables)
        failed += any(endpoint.decision == "outside" for endpoint in evidence.endpoints)
        inside = [endpoint.interval for endpoint in evidence.endpoints if endpoint.name in ("A4", "F4", "F5")]
        covered.append([ends is not None and ends[0] <= 0 <= ends[1] for ends in inside])
    assert clopper_pearson(failed, runs)[0] < 0.05
    low, high = 0.9 - 4 * np.sqrt(0.09 / runs), 1.0  # four Monte Carlo errors below the nominal 90 %
    assert ((np.mean(covered, axis=0) > low) & (np.mean(covered, axis=0) <= high)).all()


def test_a_judged_candidate_carries_what_stood_behind_it() -> None:
    outputs, tables = Shadowed(SMALL, shadows=16, unlearned=16).draw(1, POLICY)
    audit = judge(outputs, POLICY, name="c", shadows=tables)
    assert audit.shadows == tables.evidence and audit.controls is not None
    faulty = replace(tables, tables={}, evidence=replace(tables.evidence, attacks=(), problem="models are equal"))
    audit = judge(outputs, POLICY, name="c", shadows=faulty)
    notes = [note for note in audit.verdict.notes if note.startswith("SHADOWS_REFUSED")]
    assert notes == ["SHADOWS_REFUSED: attacks with shadow models were not made: models are equal."]
    levels = replace(tables, evidence=replace(tables.evidence, remarks=("the target's accuracy is off",)))
    audit = judge(outputs, POLICY, name="c", shadows=levels)
    assert "SHADOW_LEVELS: the target's accuracy is off." in audit.verdict.notes
