"""Reports of the second mode: honest ones pass the gate with their own verdict, edited ones are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import NOT_RUN, Edit, reported, write_edited
from tests.audit.judging import judge
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.gate.compare import compare_reports
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.report.paper_figures import write_figures
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit
from vestige.audit.results.wording import ASSUMPTIONS, EXAMPLE_ASSUMPTIONS
from vestige.learners.errors import DataError

POLICY = Policy(min_evidence="C", margin_utility=0.2)
WORLD = World(forget=2500, unseen=8000, retain=800, retrains=1, seed_effect=0.0, classes=3)
SMALL = replace(WORLD, forget=300, unseen=1600)


def without(outputs: Outputs) -> Outputs:
    return replace(outputs, retrain=outputs.retrain[:0])


def as_shadows(outputs: Outputs) -> Outputs:
    return replace(outputs, retrain=outputs.retrain[:0], shadow=outputs.retrain)


def noop(outputs: Outputs) -> Outputs:
    assert outputs.original is not None
    return replace(outputs, candidate=outputs.original)


def same(outputs: Outputs) -> Outputs:
    return outputs


KINDS: dict[str, tuple[World, Callable[[Outputs], Outputs], Policy, str]] = {
    "one retrain": (WORLD, same, POLICY, "PASS"),
    "two retrains": (replace(WORLD, retrains=2), same, POLICY, "PASS"),
    "shadows": (replace(WORLD, retrains=5), as_shadows, POLICY, "PASS"),
    "nothing": (WORLD, without, POLICY, "INCONCLUSIVE"),
    "a leak, nothing": (replace(WORLD, candidate=memorised(1.5)), without, POLICY, "FAIL"),
    "a leak": (replace(SMALL, candidate=memorised(1.5)), same, POLICY, "FAIL"),
    "over-forgotten": (replace(SMALL, candidate=constant(-2.0)), same, POLICY, "FAIL"),
    "copy": (SMALL, noop, POLICY, "FAIL"),
    "contradicted": (replace(SMALL, forget_difficulty=-1.0), same, POLICY, "INCONCLUSIVE"),
    "reversed": (replace(SMALL, original=constant(-3.0)), same, POLICY, "INCONCLUSIVE"),
    "no original": (replace(SMALL, original=None), same, POLICY, "INCONCLUSIVE"),
    "no tails": (replace(SMALL, unseen=900), same, POLICY, "INCONCLUSIVE"),
    "few": (replace(SMALL, forget=3, unseen=20), same, POLICY, "INCONCLUSIVE"),
    "one forget example": (replace(SMALL, forget=1, unseen=20), same, POLICY, "INCONCLUSIVE"),
    "standard": (SMALL, same, Policy(), "INCONCLUSIVE"),
    "a leak, conservative": (
        replace(SMALL, candidate=memorised(3)),
        same,
        Policy(conservative=True, fpr=0.05, alpha=0.1, calibration_share=0.4),
        "FAIL",
    ),
}


def audited(kind: str) -> Audit:
    world, change, policy, _ = KINDS[kind]
    outputs = change(world.draw(4).outputs())
    return judge(outputs, policy, name="model", seed=4, controls=NOT_RUN, declared="declared")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_let_through_with_its_own_verdict(kind: str, tmp_path: Path) -> None:
    audit, (_, _, policy, outcome) = audited(kind), KINDS[kind]
    path = tmp_path / "report.json"
    report = reported([audit], policy)
    assert report.assumptions == EXAMPLE_ASSUMPTIONS  # not those of intervals over seeds
    path.write_text(to_json(report), encoding="utf-8")
    found = gate([path], Requirement.of(policy))
    assert found.candidates[0].audit == audit
    assert found.outcome == audit.verdict.outcome == outcome
    assert audit.verdict.mode == "exchangeable"


def of_endpoint(name: str, **values: Any) -> Edit:
    def edit(report: dict[str, Any]) -> None:
        endpoint = next(
            endpoint for endpoint in report["audits"][0]["exchangeable"]["endpoints"] if endpoint["name"] == name
        )
        for key, value in values.items():
            endpoint[key] = value(endpoint[key]) if callable(value) else value

    return edit


def of_mode(**values: Any) -> Edit:
    return lambda report: report["audits"][0]["exchangeable"].update(values)


def to_main_rule(report: dict[str, Any]) -> None:
    """The mode cut out, with the assumptions that a report without it states."""
    report["audits"][0].update(exchangeable=None)
    report["assumptions"] = list(ASSUMPTIONS)


def to_pass(report: dict[str, Any]) -> None:
    report["summary"] = {"candidates": 1, "passed": 1, "failed": 0, "inconclusive": 0}
    report["audits"][0]["verdict"].update(outcome="PASS", reasons=[], explanations=[], would_change=[])


def without_tests(report: dict[str, Any]) -> None:
    report["audits"][0]["exchangeable"].update(tests=[], contradicted=[])


def milder(report: dict[str, Any]) -> None:
    for test in report["audits"][0]["exchangeable"]["tests"]:
        test.update(p=0.5)
    report["audits"][0]["exchangeable"].update(contradicted=[])


def narrow(report: dict[str, Any]) -> None:
    """The whole endpoint as if its error were a tenth."""
    endpoint = report["audits"][0]["exchangeable"]["endpoints"][1]
    gap, error = endpoint["gap"], endpoint["error"] / 10
    endpoint.update(error=error, interval=[gap - 1.6448536 * error, gap + 1.6448536 * error])


EDITS: dict[str, tuple[str, Edit, str]] = {
    "PASS for a leak": ("a leak", to_pass, "verdict, outcome"),
    "a smaller gap": ("a leak", of_endpoint("X2", gap=0.01), "X2, gap"),
    "a smaller AUC": ("a leak", of_endpoint("X2", candidate=0.51), "X2, "),
    "X1 against what is drawn": ("a leak", of_endpoint("X1", candidate=0.51), "X1, candidate, original"),
    "another decision": ("a leak", of_endpoint("X2", decision="within"), "X2, decision"),
    "a narrow interval": ("no tails", narrow, "X2, candidate: error: expected 0.0198"),
    "half an example": ("one retrain", of_endpoint("Y2", candidate=0.00030001), "Y2, candidate: expected shares"),
    "a wider margin": ("one retrain", of_endpoint("X1", margin_effective=0.2), "X1, margin_effective"),
    "no endpoint X3": (
        "a leak",
        lambda report: report["audits"][0]["exchangeable"]["endpoints"].pop(2),
        "exchangeable, endpoints",
    ),
    "Y2 not estimable": (
        "a leak",
        of_endpoint("Y2", candidate=None, candidate_fpr=None, error=None, reason="needs more"),
        "Y2, reason",
    ),
    "not contradicted": ("contradicted", of_mode(contradicted=[]), "exchangeable, contradicted"),
    "no tests": ("contradicted", without_tests, "exchangeable, tests"),
    "milder tests": ("contradicted", milder, "exchangeable, retrain 1, p"),
    "PASS though contradicted": ("contradicted", to_pass, "verdict, outcome"),
    "shadows that there are none of": ("nothing", of_mode(shadows=4), "exchangeable, tests"),
    "detecting": ("nothing", of_mode(detecting=["X2"]), "exchangeable, detecting"),
    "no problem": ("reversed", of_mode(problem=""), "exchangeable, problem"),
    "accuracy": ("shadows", of_mode(accuracy=0.99), "exchangeable, accuracy_interval"),
    "another mode": (
        "one retrain",
        lambda report: report["audits"][0]["verdict"].update(mode="retrains"),
        "verdict, mode",
    ),
    "without the mode": ("nothing", to_main_rule, "verdict, headline"),
    "main rule instead": ("contradicted", to_main_rule, "A1, "),
    "the mode cut out alone": (
        "nothing",
        lambda report: report["audits"][0].update(exchangeable=None),
        "report, assumptions",
    ),
    "retrains that there are none of": (
        "nothing",
        lambda report: report["audits"][0]["reference"].update(retrains=1),
        "utility, roles",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_report_is_refused(edit: str, tmp_path: Path) -> None:
    kind, change, message = EDITS[edit]
    policy = KINDS[kind][2]
    path = write_edited(reported([audited(kind)], policy), tmp_path / "report.json", change)
    with pytest.raises(DataError, match=message):
        gate([path], Requirement.of(policy))


def test_figures_and_comparison_read_the_mode(tmp_path: Path) -> None:
    kinds = ("nothing", "one retrain", "a leak")
    made = {kind: reported([audited(kind)], POLICY) for kind in kinds}
    assert all(path.stat().st_size for path in write_figures(made["nothing"], tmp_path))
    parts = compare_reports(made["one retrain"], made["a leak"]).pairs[0].parts
    assert [part.change for part in parts if part.name[0] in "XY"] == ["worse"] * 5
    main = reported([judge(WORLD.draw(4).outputs(), POLICY, name="model", seed=4, controls=NOT_RUN)], POLICY)
    assert any("over retrains, then over exchangeable" in line for line in compare_reports(main, made["a leak"]).unfair)


def test_a_policy_that_demands_retrains_refuses_the_report_and_never_passes_it(tmp_path: Path) -> None:
    """Grade B is out of reach of this mode: the standard policy never lets it through."""
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audited("one retrain")], POLICY)), encoding="utf-8")
    with pytest.raises(DataError, match="min_evidence: 'C' in the report, 'B' in the policy given"):
        gate([path], Requirement.of(Policy(margin_utility=0.2)))
