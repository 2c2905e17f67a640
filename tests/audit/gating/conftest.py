"""Real reports of every outcome, made once, and what tests do to them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.judging import judge
from vestige.audit.cli.entry import main
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.audit.results.exchangeable import Declaration
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit, DataRecord, ModelsRecord, Report
from vestige.audit.workflows.records import build_report, policy_record

WORLD = World(forget=1500, unseen=8000, retain=6000, retrains=8, difficulty=1.0)
WORLDS = {
    "PASS": WORLD,
    "FAIL": replace(WORLD, candidate=memorised(1.5)),
    "INCONCLUSIVE": replace(WORLD, candidate=constant(0.17)),
}
SMALL = replace(WORLD, forget=300, unseen=1600, retain=200, retrains=5)
SMALL_REPORTS: dict[str, tuple[World, dict[str, Any]]] = {
    "one retrain": (replace(SMALL, retrains=1), {}),
    "three retrains": (replace(SMALL, retrains=3), {"min_evidence": "C"}),
    "no tails, PASS": (
        replace(WORLD, unseen=1200, forget=1000, retrains=10),
        {"min_evidence": "C", "margin_auc": 0.2, "margin_utility": 0.2},
    ),
    "nothing memorised, PASS": (
        replace(SMALL, original=constant(0.0)),
        {"accept_vacuous": True, "margin_auc": 0.3, "margin_tpr": 0.2, "margin_utility": 0.3},
    ),
    "reversed": (replace(SMALL, original=constant(-3.0)), {}),
    "over-forgotten": (replace(SMALL, candidate=constant(-3.0)), {}),
    "a leak": (replace(SMALL, candidate=memorised(3)), {}),
}
NOT_RUN = Controls(reason="not run in this test", null=(), planted=(), smallest=None)
STANDARD = Policy()
Edit = Callable[[dict[str, Any]], None]


def audited(
    world: World, policy: Policy = STANDARD, *, name: str = "model", seed: int = 1, declared: Declaration | None = None
) -> Audit:
    """One candidate of a synthetic world, without the controls, which take most of the time."""
    return judge(world.draw(seed).outputs(), policy, name=name, seed=seed, controls=NOT_RUN, declared=declared)


def reported(audits: list[Audit], policy: Policy = STANDARD, registered: str | None = None) -> Report:
    """The report of these candidates, all of one size."""
    reference = audits[0].reference
    data = DataRecord(
        source="model.npz",
        fingerprint="0" * 64,
        split=None,
        classes=2,
        class_names=None,
        forget=reference.forget,
        unseen=reference.unseen_calibration + reference.unseen_evaluation,
        retain=reference.retain,
        label_noise=None,
        saturated=0,
    )
    models = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)
    return build_report(audits, policy_record(policy, registered or policy.hash), data, models, reproduce=None)


def write_edited(report: Report, path: Path, edit: Edit) -> Path:
    """The report's JSON after an edit by hand."""
    content = json.loads(to_json(report))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def run(*arguments: str) -> int:
    """Exit code of the command ``vestige``."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="session")
def audits() -> dict[str, Audit]:
    """One candidate of each outcome."""
    made = {outcome: audited(world, name=outcome.lower()) for outcome, world in WORLDS.items()}
    assert {outcome: audit.verdict.outcome for outcome, audit in made.items()} == {
        outcome: outcome for outcome in WORLDS
    }
    return made


@pytest.fixture(scope="session")
def small_audits() -> dict[str, Audit]:
    """Candidates of other kinds, each under a policy of its own."""
    made = {
        kind: audited(world, Policy.of({"profile": "standard", **settings}), name=kind)
        for kind, (world, settings) in SMALL_REPORTS.items()
    }
    assert all((audit.verdict.outcome == "PASS") == kind.endswith("PASS") for kind, audit in made.items())
    return made


@pytest.fixture
def reports(audits: dict[str, Audit], tmp_path: Path) -> dict[str, Path]:
    """A file for each outcome, and one with all three candidates."""
    paths = {}
    for name, chosen in {**{outcome: [audit] for outcome, audit in audits.items()}, "all": [*audits.values()]}.items():
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(to_json(reported(chosen)), encoding="utf-8")
    return paths


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text('profile = "standard"\n')
    return path
