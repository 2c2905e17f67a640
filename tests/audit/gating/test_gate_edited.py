"""A report that was edited by hand is refused: verdict, numbers, policy and sentences must follow from each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import KINDS, Edit, reported, write_edited
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.report import Audit
from vestige.learners.errors import DataError

Change = Callable[[dict[str, Any]], object]


def of_audit(change: Change) -> Edit:
    def edit(report: dict[str, Any]) -> None:
        change(report["audits"][0])

    return edit


def of_endpoint(label: str, **values: Any) -> Edit:
    """Set fields of an endpoint (``G: class 3``); a value that is a function is applied to the old one."""

    def change(audit: dict[str, Any]) -> None:
        name, _, where = label.partition(": ")
        endpoint = next(
            endpoint for endpoint in audit["endpoints"] if (endpoint["name"], endpoint["where"]) == (name, where)
        )
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


def without(name: str, where: str = "") -> Edit:
    def change(audit: dict[str, Any]) -> None:
        gone = [endpoint for endpoint in audit["endpoints"] if (endpoint["name"], endpoint["where"]) == (name, where)]
        assert gone
        audit["endpoints"].remove(gone[0])

    return of_audit(change)


NUMBERS = [
    "candidate original reference gap original_gap example_error original_error expected_error spread factor d0 df "
    "interval half_width expected_half_width plan_width weight p_value p_holm p_zero_holm"
][0].split()


def not_estimable(name: str, reason: str) -> Edit:
    nothing: dict[str, Any] = dict.fromkeys(NUMBERS)
    return of_endpoint(name, retrains=[], decision="not estimable", reason=reason, chance=False, **nothing)


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


Edits = list[tuple[str, str, Edit, str]]
"""What is done to the report of which kind, how, and what the refusal names."""
VERDICT: Edits = [
    ("outcome", "FAIL", to_pass, "verdict, outcome: expected 'FAIL'"),
    ("outcome of the open one", "INCONCLUSIVE", to_pass, "verdict, outcome: expected 'INCONCLUSIVE'"),
    ("outcome and decisions", "FAIL", to_pass_in_every_word, "M, p_value"),
    ("PASS though contradicted", "random, contradicted", to_pass, "verdict, outcome"),
    ("PASS for a mask", "a class, masked", to_pass, "verdict, outcome"),
    ("PASS for what was kept", "a class, kept", to_pass, "verdict, outcome"),
    ("grade", "PASS", of_part("verdict", grade="A"), "verdict, grade: expected 'B', recomputed"),
    ("profile", "PASS", of_part("verdict", profile="strict"), "verdict, profile"),
    ("headline", "INCONCLUSIVE", of_part("verdict", headline="PASS: all well."), "verdict, headline"),
    ("notes", "INCONCLUSIVE", of_part("verdict", notes=[]), "verdict, notes"),
    ("explanations", "FAIL", of_part("verdict", explanations=[]), "verdict, explanations"),
    ("what would change it", "FAIL", of_part("verdict", would_change=["Nothing."]), "verdict, would_change"),
    ("reasons", "FAIL", of_part("verdict", reasons=[{"code": "TRACE", "where": ["D"]}]), "verdict, reasons"),
    (
        "where",
        "INCONCLUSIVE",
        of_part("verdict", reasons=[{"code": "NEAR_MARGIN", "where": []}]),
        "where: expected ['M']",
    ),
    ("summary", "FAIL", lambda report: report["summary"].update(passed=1, failed=0), "summary"),
    ("assumptions", "PASS", lambda report: report.update(assumptions=["none"]), "report, assumptions"),
    ("limits", "PASS", lambda report: report.update(limits=[]), "report, limits"),
]
ENDPOINTS: Edits = [
    ("decision", "FAIL", of_endpoint("M", decision="within"), "M, decision: expected 'outside'"),
    ("decision, open", "INCONCLUSIVE", of_endpoint("M", decision="within"), "M, decision: expected 'uncertain'"),
    ("gap", "FAIL", of_endpoint("M", gap=0.01), "M, gap: expected 0.2"),
    ("gap of the original", "FAIL", of_endpoint("M", original_gap=0.9), "M, original_gap"),
    ("candidate", "FAIL", of_endpoint("M", candidate=0.5), "M, gap"),
    ("a retrain", "PASS", of_endpoint("S", retrains=lambda v: [v[0] + 0.01, *v[1:]]), "S, reference"),
    ("one retrain fewer", "PASS", of_endpoint("S", retrains=lambda v: v[1:]), "S, number of retrains: expected 8"),
    ("reference", "FAIL", of_endpoint("M", reference=0.7), "M, reference"),
    ("chance", "FAIL", of_endpoint("M", chance=True), "M, chance"),
    ("chance of a tail", "random, no retrain, PASS", of_endpoint("T", reference=0.5), "T, reference"),
    ("chance of a shape", "random, no retrain, PASS", of_endpoint("D", reference=0.5), "D, reference"),
    ("spread", "INCONCLUSIVE", of_endpoint("M", spread=closer), "M, spread"),
    ("factor", "PASS", of_endpoint("S", factor=1.0), "S, factor"),
    ("d0", "PASS", of_endpoint("M", d0=2.0), "M, d0"),
    ("interval", "INCONCLUSIVE", of_endpoint("M", interval=[-0.01, 0.01]), "M, interval"),
    ("half width", "PASS", of_endpoint("M", half_width=closer), "M, half_width"),
    ("expected width", "PASS", of_endpoint("M", expected_half_width=closer), "M, expected_half_width"),
    ("a smaller error", "INCONCLUSIVE", of_endpoint("M", example_error=1e-4), "M, example_error"),
    ("a smaller error of a group", "FAIL", of_endpoint("G: class 3", example_error=closer), "class 3, example_error"),
    ("a smaller error of D", "FAIL", of_endpoint("D", example_error=closer), "D, example_error"),
    ("p-value", "FAIL", of_endpoint("M", p_value=0.8), "M, p_value"),
    ("Holm's p-value", "FAIL", of_endpoint("M", p_holm=0.8), "M, p_holm"),
    ("p-value of margin 0", "FAIL", of_endpoint("M", p_zero_holm=0.9), "M, p_zero_holm"),
    ("weight", "FAIL", of_endpoint("M", weight=0.01), "M, weight"),
    ("margin", "PASS", of_endpoint("M", margin=0.3), "M, margin: expected 0.05"),
    ("effective margin", "INCONCLUSIVE", of_endpoint("M", margin_effective=0.3), "M, margin_effective"),
    ("sides", "PASS", of_endpoint("M", sides="upper"), "M, sides"),
    ("role", "PASS", of_endpoint("V", role="primary"), "V, role"),
    ("role of M", "INCONCLUSIVE", of_endpoint("M", role="fail_only"), "M, role"),
    ("reason", "PASS", of_endpoint("M", reason="too hard"), "M, "),
    ("size of a tail", "PASS", of_endpoint("T", unseen=8000), "T, numbers of examples"),
    ("negative error", "PASS", of_endpoint("M", example_error=-0.1), "example_error"),
    ("no error", "PASS", of_endpoint("M", example_error=None), "M, errors are null"),
    ("endpoint gone", "FAIL", without("D"), "battery, endpoints"),
    ("B gone", "a class, kept", without("B"), "battery, endpoints"),
    ("M away", "FAIL", not_estimable("M", "needs more"), "M, is not estimable"),
    ("T away", "FAIL", not_estimable("T", "the same value on every retrain"), "T, is not estimable"),
    ("a group is left out", "groups, PASS", without("G", "class 2"), "groups, forget examples by class"),
    ("a declared group", "groups, PASS", without("G", "group 1"), "groups, forget examples by group"),
    ("the quarter is left out", "groups, PASS", without("G", "hardest quarter"), "groups, hardest quarter"),
    ("a group is milder", "FAIL", of_endpoint("G: class 3", candidate=0.5), "p_zero_holm"),
    ("a group is too small", "FAIL", not_estimable("G: class 3", "needs at least 100"), "class 3, is not estimable"),
    ("a group is smaller", "FAIL", of_endpoint("G: class 3", forget=120), "G: class 3, example_error"),
]
OTHERS: Edits = [
    ("setting", "INCONCLUSIVE", of_part("setting", name="random"), "report, assumptions"),
    ("source", "random, one retrain, PASS", of_part("setting", source="known"), "verdict, headline"),
    ("no_op", "FAIL", of_audit(lambda audit: audit.update(no_op=True)), "M, candidate (equal to the original)"),
    ("no mask", "a class, masked", of_audit(lambda audit: audit.update(masked=[])), "verdict, outcome"),
    ("copy of the original", "FAIL", copy_of_original, "no_op: expected true"),
    ("copy of a retrain", "FAIL", copy_of_retrain, "dropped: expected ['retrain 2']"),
    ("a retrain left out", "FAIL", fewer_retrains_than_weights, "retrains, dropped ones included: expected 9"),
    ("utility decision", "PASS", utility(decision="worse"), "utility retain, decision: expected "),
    ("utility gap", "PASS", utility(gap=0.3), "utility retain, gap"),
    ("utility margin", "PASS", utility(margin=0.3), "utility retain, margin"),
    ("utility error", "PASS", utility(example_error=1e-6), "utility retain, example_error"),
    ("accuracy above 1", "PASS", utility(candidate=7.0), "utility retain, values"),
    ("accuracies fewer", "PASS", utility(retrains=[0.9]), "utility retain, number of retrains"),
    ("utility gone", "PASS", drop("utility"), "utility, roles"),
    ("share forgotten", "FAIL", of_part("share_forgotten", estimate=0.99), "share_forgotten, estimate"),
    ("share's interval", "FAIL", of_part("share_forgotten", interval=[0.9, 1.0]), "share_forgotten, interval"),
    ("unseen gain", "PASS", of_part("unseen_check", gain=0.3), "unseen_check, gain"),
    ("knows unseen", "PASS", of_part("unseen_check", known=True), "unseen_check, known: expected false"),
    ("no check of unseen", "PASS", of_audit(lambda audit: audit.update(unseen_check=None)), "unseen_check is given"),
    ("a check less", "PASS", of_audit(lambda audit: audit["reference"]["checks"].pop()), "reference, checks"),
    (
        "a test that rejects",
        "random, contradicted",
        of_audit(lambda audit: audit["reference"]["checks"][0].update(p_value=0.5, rejects=False)),
        "p_value",
    ),
    (
        "a test of another value",
        "random, contradicted",
        of_audit(lambda audit: [check.update(statistic=0.1) for check in audit["reference"]["checks"]]),
        "reference, ",
    ),
    ("detecting", "PASS", of_part("reference", detecting=[]), "reference, detecting"),
    ("firing", "PASS", of_part("reference", firing=[]), "reference, firing"),
    ("power", "PASS", of_part("reference", short_of_power=["M"]), "reference, short_of_power"),
    ("wide", "PASS", of_part("reference", wide=["M"]), "reference, wide"),
    ("a problem", "FAIL", of_part("reference", problem="odd"), "reference, problem"),
    ("no problem", "reversed", of_part("reference", problem=""), "reference, "),
    ("original away", "PASS", of_part("reference", original=False), "number of retrains, original: expected"),
    ("more retrains", "PASS", of_part("reference", retrains=20), "number of retrains, original: expected [20, true]"),
    ("no retrains", "PASS", of_part("reference", retrains=0), "utility retain, number of retrains"),
    ("no forget", "PASS", of_part("reference", forget=0), "reference, "),
    ("forget", "PASS", of_part("reference", forget=15_000), "reference, forget: expected 1500"),
    ("unseen", "PASS", of_part("reference", unseen_evaluation=60_000), "reference, unseen"),
    ("people", "people", of_part("reference", unit="example"), "reference, forget"),
    ("rows as people", "PASS", of_part("reference", unit="person"), "people"),
    (
        "a retain gap is milder",
        "FAIL",
        of_audit(lambda audit: audit["retained"]["comparisons"][0].update(gap=0.3)),
        "retain auc_z, gap",
    ),
]
EDITS = VERDICT + ENDPOINTS + OTHERS


def gated(path: Path, policy: Policy) -> str:
    return gate([path], Requirement.of(policy)).outcome


@pytest.mark.parametrize(("kind", "edit", "words"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_an_edited_report_is_refused(
    kinds: dict[str, Audit], tmp_path: Path, kind: str, edit: Edit, words: str
) -> None:
    """The same report as it was made is let through: test_gate_honest.py."""
    policy = KINDS[kind].policy
    path = write_edited(reported([kinds[kind]], policy), tmp_path / "report.json", edit)
    with pytest.raises(DataError) as refused:
        gated(path, policy)
    said = str(refused.value)
    assert words in said and str(path) in said and "\n" not in said


def test_a_refusal_names_candidate_endpoint_and_both_values(audits: dict[str, Audit], tmp_path: Path) -> None:
    path = write_edited(reported([audits["FAIL"]]), tmp_path / "report.json", of_endpoint("M", gap=0.01))
    with pytest.raises(DataError, match=r"candidate 'fail', M, gap: expected 0\.\d+, .* got 0\.01; take the report"):
        gated(path, Policy())


def test_an_edit_of_any_candidate_counts(audits: dict[str, Audit], tmp_path: Path) -> None:
    def edit(report: dict[str, Any]) -> None:
        report["audits"][2]["endpoints"][0]["spread"] /= 2

    path = write_edited(reported(list(audits.values())), tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="candidate 'inconclusive', M, spread"):
        gated(path, Policy())


def test_what_nothing_follows_from_may_change(audits: dict[str, Audit], tmp_path: Path) -> None:
    def edit(report: dict[str, Any]) -> None:
        report.update(created="2000-01-01T00:00:00+00:00", reproduce="echo")
        report["audits"][0]["curves"] = []

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    assert gated(path, Policy()) == "PASS"


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
        gated(path, Policy())


@pytest.mark.parametrize("battery", ["2", "4"])
def test_a_report_of_another_battery_is_refused(audits: dict[str, Audit], tmp_path: Path, battery: str) -> None:
    def edit(report: dict[str, Any]) -> None:
        report["battery"] = battery

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="battery"):
        gated(path, Policy())
