"""A report that was edited by hand is refused: verdict, numbers, policy and sentences must follow from each other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import SMALL, Edit, audited, reported, write_edited
from vestige.audit.endpoints.simulation import constant
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.report import Audit
from vestige.learners.errors import DataError

Change = Callable[[dict[str, Any]], object]


def of_audit(change: Change) -> Edit:
    def edit(report: dict[str, Any]) -> None:
        change(report["audits"][0])

    return edit


def of_endpoint(name: str, **values: Any) -> Edit:
    """Set fields of an endpoint; a value that is a function is applied to the old one."""

    def change(audit: dict[str, Any]) -> None:
        endpoint = next(endpoint for endpoint in audit["endpoints"] if endpoint["name"] == name)
        for key, value in values.items():
            endpoint[key] = value(endpoint[key]) if callable(value) else value

    return of_audit(change)


def of_part(part: str, **values: Any) -> Edit:
    return of_audit(lambda audit: audit[part].update(values))


def to_pass(report: dict[str, Any]) -> None:
    verdict = report["audits"][0]["verdict"]
    report["summary"] = {"candidates": 1, "passed": 1, "failed": 0, "inconclusive": 0}
    verdict.update(outcome="PASS", reasons=[], explanations=[], would_change=[])


def to_pass_in_every_word(report: dict[str, Any]) -> None:
    to_pass(report)
    for endpoint in report["audits"][0]["endpoints"]:
        endpoint.update(decision="within", p_value=1.0, p_holm=1.0)


def without(name: str) -> Edit:
    return of_audit(
        lambda audit: audit.update(endpoints=[endpoint for endpoint in audit["endpoints"] if endpoint["name"] != name])
    )


def not_estimable(name: str, reason: str) -> Edit:
    nothing = ("candidate", "original", "gap", "original_gap", "spread", "interval", "simultaneous", "plan_width")
    nothing += ("example_half_width", "half_width", "p_value", "p_holm", "randomisation_p")
    return of_endpoint(name, retrains=[], decision="not estimable", reason=reason, **dict.fromkeys(nothing))


def utility(**values: Any) -> Edit:
    return of_audit(lambda audit: audit["utility"][0].update(values))


def drop(key: str, place: int = 0) -> Edit:
    return of_audit(lambda audit: audit[key].pop(place))


def copy_of_original(report: dict[str, Any]) -> None:
    seeds = {"original": 0, "retrains": list(range(8)), "split": 0}
    report["models"].update(recipe={}, seeds=seeds, weights={"original": "a", "retrains": list("bcdefghi")})
    report["audits"][0]["weights"] = "a"


def copy_of_retrain(report: dict[str, Any]) -> None:
    copy_of_original(report)
    report["audits"][0]["weights"] = "c"


def fewer_retrains_than_weights(report: dict[str, Any]) -> None:
    copy_of_original(report)
    report["models"]["weights"]["retrains"].append("j")
    report["audits"][0]["weights"] = "z"


def closer(value: float) -> float:
    return value / 2


EDITS: list[tuple[str, str, Edit, str]] = [
    ("outcome", "FAIL", to_pass, "verdict, outcome: expected 'FAIL'"),
    ("outcome of the open one", "INCONCLUSIVE", to_pass, "verdict, outcome: expected 'INCONCLUSIVE'"),
    ("outcome and decisions", "FAIL", to_pass_in_every_word, "A1, p_value"),
    ("decision", "FAIL", of_endpoint("A2", decision="within"), "A2, decision: expected 'outside'"),
    ("decision, open", "INCONCLUSIVE", of_endpoint("A2", decision="within"), "A2, decision: expected 'uncertain'"),
    ("gap", "FAIL", of_endpoint("A2", gap=0.01), "A2, gap: expected 0.2"),
    ("gap of the original", "FAIL", of_endpoint("A2", original_gap=0.9), "A2, original_gap"),
    ("candidate", "FAIL", of_endpoint("A2", candidate=0.5), "A2, gap"),
    ("candidate, drawn as well", "FAIL", of_endpoint("A1", candidate=0.5), "A1, candidate, retrains, original"),
    ("a retrain", "PASS", of_endpoint("A3", retrains=lambda v: [v[0] + 0.01, *v[1:]]), "A3, gap"),
    ("one retrain fewer", "PASS", of_endpoint("A3", retrains=lambda v: v[1:]), "A3, number of retrains: expected 8"),
    ("spread", "INCONCLUSIVE", of_endpoint("A2", spread=closer), "A2, spread"),
    ("interval", "INCONCLUSIVE", of_endpoint("A2", interval=[-0.01, 0.01]), "A2, interval"),
    ("simultaneous", "FAIL", of_endpoint("A2", simultaneous=[-0.01, 0.01]), "A2, simultaneous"),
    ("half width", "PASS", of_endpoint("A1", half_width=closer), "A1, half_width"),
    ("plan width", "PASS", of_endpoint("A1", plan_width=closer), "A1, plan_width"),
    ("p-value", "FAIL", of_endpoint("A2", p_value=0.8), "A2, p_value"),
    ("Holm's p-value", "FAIL", of_endpoint("A2", p_holm=0.8), "A2, p_holm"),
    ("randomisation p", "FAIL", of_endpoint("A2", randomisation_p=0.9), "A2, randomisation_p"),
    ("margin", "PASS", of_endpoint("A2", margin=0.3), "A2, margin: expected 0.05"),
    ("effective margin", "INCONCLUSIVE", of_endpoint("A2", margin_effective=0.3), "A2, margin_effective"),
    ("sides", "PASS", of_endpoint("A2", sides="upper"), "A2, sides"),
    ("primary", "PASS", of_endpoint("F1", primary=True), "F1, primary"),
    ("statistic", "PASS", of_endpoint("A2", statistic="AUC"), "A2, statistic"),
    ("reason", "PASS", of_endpoint("A2", reason="too hard"), "A2, reason"),
    ("negative width", "PASS", of_endpoint("A2", example_half_width=-0.1), "A2, example_half_width"),
    ("no width", "PASS", of_endpoint("A2", example_half_width=None), "A2, example_half_width is null"),
    ("endpoint gone", "FAIL", without("T2"), "battery, endpoints"),
    ("T1 away", "FAIL", not_estimable("T1", "needs more"), "T1, candidate is null: expected false"),
    ("F1 away", "FAIL", not_estimable("F1", "needs at least 3 retrains"), "F1, candidate is null: expected false"),
    ("F3 away", "FAIL", not_estimable("F3", "the same value on every retrain"), "F3, candidate is null"),
    ("grade", "PASS", of_part("verdict", grade="A"), "verdict, grade: expected 'B', recomputed"),
    ("profile", "PASS", of_part("verdict", profile="strict"), "verdict, profile"),
    ("headline", "INCONCLUSIVE", of_part("verdict", headline="PASS: all well."), "verdict, headline"),
    ("notes", "INCONCLUSIVE", of_part("verdict", notes=[]), "verdict, notes"),
    ("explanations", "FAIL", of_part("verdict", explanations=[]), "verdict, explanations"),
    ("what would change it", "FAIL", of_part("verdict", would_change=["Nothing."]), "verdict, would_change"),
    ("reasons", "FAIL", of_part("verdict", reasons=["TAIL"]), "verdict, reasons"),
    ("no_op", "FAIL", of_audit(lambda audit: audit.update(no_op=True)), "A1, candidate (equal to the original)"),
    ("copy of the original", "FAIL", copy_of_original, "no_op: expected true"),
    ("copy of a retrain", "FAIL", copy_of_retrain, "dropped: expected ['retrain 2']"),
    ("a retrain left out", "FAIL", fewer_retrains_than_weights, "retrains, dropped ones included: expected 9"),
    ("utility decision", "PASS", utility(decision="inferior"), "utility retain, decision: expected 'non-inferior'"),
    ("utility gap", "PASS", utility(gap=0.3), "utility retain, gap"),
    ("utility margin", "PASS", utility(margin=0.3), "utility retain, margin"),
    ("accuracy above 1", "PASS", utility(candidate=7.0), "utility retain, accuracies"),
    ("accuracies fewer", "PASS", utility(retrains=[0.9]), "utility retain, number of retrains"),
    ("utility gone", "PASS", drop("utility"), "utility, roles"),
    ("disagreement", "PASS", of_part("baseline", disagrees=True), "baseline, disagrees: expected false"),
    ("exchangeable", "PASS", of_part("baseline", exchangeable=False), "baseline, exchangeable: expected true"),
    ("baseline", "FAIL", of_part("baseline", auc=0.5), "baseline, interval"),
    ("baseline interval", "FAIL", of_part("baseline", interval=[0.4, 0.45]), "baseline, interval"),
    ("retrain interval", "PASS", of_part("baseline", retrain_interval=[0.4999, 0.5001]), "baseline, retrain_interval"),
    ("detecting", "PASS", of_part("reference", detecting=[]), "reference, detecting"),
    ("assay", "PASS", of_part("reference", assay_sensitive=False), "reference, assay_sensitive"),
    ("firing", "PASS", of_part("reference", firing=[]), "reference, firing"),
    ("power", "PASS", of_part("reference", underpowered=["A1"]), "reference, underpowered"),
    ("invalid", "FAIL", of_part("reference", valid=False, problem="odd"), "reference, valid: expected true"),
    ("invalid in words", "FAIL", of_part("reference", problem="odd"), "reference, problem"),
    ("original away", "PASS", of_part("reference", original=False), "number of retrains, original: expected"),
    (
        "retrains counted",
        "PASS",
        of_part("reference", retrains=20),
        "number of retrains, original: expected [20, true]",
    ),
    ("no retrains", "PASS", of_part("reference", retrains=0), "utility, roles"),
    ("no forget", "PASS", of_part("reference", forget=0), "numbers of examples"),
    ("forget", "PASS", of_part("reference", forget=15_000), "reference, forget: expected 1500"),
    ("unseen", "PASS", of_part("reference", unseen_evaluation=60_000), "reference, unseen_evaluation"),
    ("assumptions", "PASS", lambda report: report.update(assumptions=["none"]), "report, assumptions"),
    ("limits", "PASS", lambda report: report.update(limits=[]), "report, limits"),
    ("summary", "FAIL", lambda report: report["summary"].update(passed=1, failed=0), "summary"),
]


@pytest.mark.parametrize(("outcome", "edit", "words"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_an_edited_report_is_refused(
    audits: dict[str, Audit], tmp_path: Path, outcome: str, edit: Edit, words: str
) -> None:
    path = write_edited(reported([audits[outcome]]), tmp_path / "report.json", edit)
    with pytest.raises(DataError) as refused:
        gate([path], Requirement.of(Policy()))
    said = str(refused.value)
    assert words in said and str(path) in said and "\n" not in said


def test_a_refusal_names_candidate_endpoint_and_both_values(audits: dict[str, Audit], tmp_path: Path) -> None:
    path = write_edited(reported([audits["FAIL"]]), tmp_path / "report.json", of_endpoint("A2", gap=0.01))
    with pytest.raises(DataError, match=r"candidate 'fail', A2, gap: expected 0\.\d+, .* got 0\.01; take the report"):
        gate([path], Requirement.of(Policy()))


def test_an_edit_of_any_candidate_counts(audits: dict[str, Audit], tmp_path: Path) -> None:
    def edit(report: dict[str, Any]) -> None:
        report["audits"][2]["endpoints"][0]["spread"] /= 2

    path = write_edited(reported(list(audits.values())), tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="candidate 'inconclusive', A1, spread"):
        gate([path], Requirement.of(Policy()))


def test_what_nothing_follows_from_may_change(audits: dict[str, Audit], tmp_path: Path) -> None:
    def edit(report: dict[str, Any]) -> None:
        report.update(created="2000-01-01T00:00:00+00:00", reproduce="echo")
        report["audits"][0]["curves"] = []

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    assert gate([path], Requirement.of(Policy())).outcome == "PASS"


def test_another_version_s_sentences_are_not_compared_but_its_verdict_is(
    audits: dict[str, Audit], tmp_path: Path
) -> None:
    def reworded(report: dict[str, Any]) -> None:
        report["tool"]["version"] = "0.0.1"
        report["assumptions"] = ["Other words."]
        report["audits"][0]["verdict"].update(headline="Other words.", notes=["Other words."])

    path = write_edited(reported([audits["FAIL"]]), tmp_path / "report.json", reworded)
    found = gate([path], Requirement.of(Policy()))
    assert found.outcome == "FAIL" and "written by version 0.0.1" in found.remarks[0]
    assert found.candidates[0].audit.verdict == audits["FAIL"].verdict

    def flipped(report: dict[str, Any]) -> None:
        reworded(report)
        to_pass(report)

    path = write_edited(reported([audits["FAIL"]]), tmp_path / "report.json", flipped)
    with pytest.raises(DataError, match="verdict, outcome"):
        gate([path], Requirement.of(Policy()))


def test_what_a_conservative_policy_leaves_open_is_still_bounded(tmp_path: Path) -> None:
    """The original's own example error is in no report; more than the retrains' spread allows cannot be claimed."""
    policy = Policy.of({"conservative": True})
    report = reported([audited(replace(SMALL, original=constant(0.45)), policy)], policy)
    firing = report.audits[0].reference.firing
    assert "T1" not in firing
    path = write_edited(report, tmp_path / "report.json", of_part("reference", firing=[*firing, "T1"]))
    with pytest.raises(DataError, match="reference, firing"):
        gate([path], Requirement.of(policy))


def test_values_that_stand_twice_must_agree(audits: dict[str, Audit], tmp_path: Path) -> None:
    """An A1 moved with everything that follows from it still stands among the attacks as it was."""

    def edit(report: dict[str, Any]) -> None:
        audit = report["audits"][0]
        attack = next(
            attack
            for attack in audit["attacks"]
            if (attack["name"], attack["signal"]) == ("threshold_classwise", "logit")
        )
        attack["candidate"] -= 0.05

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="A1, candidate, retrains, original"):
        gate([path], Requirement.of(Policy()))

    def rate(report: dict[str, Any]) -> None:
        point = next(p for p in report["audits"][0]["operating_points"] if (p["score"], p["fpr"]) == ("z", 0.01))
        point["tpr"] += 0.01

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", rate)
    with pytest.raises(DataError, match="T1, candidate, mean of the retrains, original"):
        gate([path], Requirement.of(Policy()))
