"""Real reports of every outcome, made once, and what tests do to them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.judging import judge
from tests.audit.worlds import CLASS_CASES, ClassWorld
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.cli.entry import main
from vestige.audit.endpoints.setting import Declared
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit, DataRecord, ModelsRecord, Report
from vestige.audit.workflows.records import build_report, policy_record

WORLD = World(forget=1500, unseen=8000, retain=1500, retrains=8)
WORLDS = {
    "PASS": WORLD,
    "FAIL": replace(WORLD, candidate=memorised(1.5)),
    "INCONCLUSIVE": replace(WORLD, candidate=constant(0.17)),
}
SMALL = replace(WORLD, forget=300, unseen=1600, retain=200, retrains=5)
CLASS = ClassWorld(forget=400, unseen=900, others=60, retain=500, retrains=5)


@dataclass(frozen=True)
class Kind:
    """Outputs of one kind, and how they are judged."""

    world: World | ClassWorld
    settings: dict[str, Any] = field(default_factory=dict)
    declared: Declared | None = None
    candidate: str = "fresh"
    change: Callable[[Outputs], Outputs] = lambda outputs: outputs

    @property
    def policy(self) -> Policy:
        return Policy.of({"profile": "standard", **self.settings})

    def audit(self, name: str = "model", seed: int = 1) -> Audit:
        if isinstance(self.world, World):
            outputs = self.world.draw(seed).outputs()
        else:
            outputs = self.world.draw(seed, CLASS_CASES[self.candidate])
        changed = self.change(outputs)
        return judge(changed, self.policy, name=name, seed=seed, controls=NOT_RUN, declared=self.declared)


def in_groups(outputs: Outputs) -> Outputs:
    return replace(outputs, group=np.array([("0", "1", "own logit")[row % 3] for row in range(len(outputs))]))


def in_people(outputs: Outputs) -> Outputs:
    """Pairs of neighbours of one role are one person."""
    return replace(outputs, subject=(np.arange(len(outputs)) // 2).astype(np.str_))


GROUPED = replace(WORLD, forget=1200, unseen=3600, retain=300, retrains=5, classes=4)
OPEN = {"min_evidence": "C"}
KINDS: dict[str, Kind] = {
    **{outcome: Kind(world) for outcome, world in WORLDS.items()},
    "two retrains": Kind(replace(SMALL, retrains=2), OPEN),
    "one retrain": Kind(replace(SMALL, retrains=1)),
    "three retrains, a leak": Kind(replace(SMALL, retrains=3, candidate=memorised(3)), OPEN),
    "a leak": Kind(replace(SMALL, candidate=memorised(3))),
    "no tail, PASS": Kind(replace(WORLD, unseen=900), {**OPEN, "margin_auc": 0.1, "margin_utility": 0.2}),
    "nothing memorised, PASS": Kind(
        replace(SMALL, original=constant(0.0)),
        {**OPEN, "accept_vacuous": True, "margin_auc": 0.3, "margin_tpr": 0.2, "margin_utility": 0.3},
    ),
    "no original": Kind(replace(SMALL, original=None)),
    "no retain": Kind(replace(SMALL, retain=0)),
    "few examples": Kind(replace(SMALL, forget=3, unseen=20)),
    "one forget example": Kind(replace(SMALL, forget=1, unseen=20, retrains=4)),
    "reversed": Kind(replace(SMALL, original=constant(-3.0))),
    "over-forgotten": Kind(replace(SMALL, candidate=constant(-3.0))),
    "narrowed margin, PASS": Kind(replace(WORLD, original=memorised(0.5)), {"margin_auc": 0.12}),
    "odd retrain": Kind(replace(SMALL, seed_effect=1.5, retrains=4)),
    "harder": Kind(replace(SMALL, forget_difficulty=-1.0)),
    "other rates": Kind(SMALL, {"fpr": 0.05, "alpha": 0.1, "calibration_share": 0.4}),
    "scores without classes": Kind(replace(SMALL, classes=1)),
    "groups, PASS": Kind(GROUPED, {**OPEN, "worst_group": "enforce"}, change=in_groups),
    "people": Kind(GROUPED, OPEN, change=in_people),
    "random, no retrain, PASS": Kind(replace(WORLD, retrains=0), OPEN, "random"),
    "random, one retrain, PASS": Kind(replace(WORLD, retrains=1, seed_effect=0.0), OPEN, "random"),
    "random, two retrains, a leak": Kind(replace(WORLD, retrains=2, candidate=memorised(1.5)), OPEN, "random"),
    "random, five retrains, PASS": Kind(replace(WORLD, retrains=5), {}, "random"),
    "random, contradicted": Kind(replace(SMALL, forget_difficulty=-1.0), {}, "random"),
    "a class": Kind(CLASS, OPEN),
    "a class, kept": Kind(CLASS, OPEN, candidate="keeps"),
    "a class without retain rows": Kind(replace(CLASS, retain=0), OPEN, "class"),
    "a class, masked": Kind(CLASS, OPEN, candidate="masked"),
}
"""Every kind of report; those of PASS say so."""
NOT_RUN = Controls(reason="not run in this test", null=(), planted=(), smallest=None)
STANDARD = Policy()
Edit = Callable[[dict[str, Any]], None]


def audited(world: World, policy: Policy = STANDARD, *, name: str = "model", seed: int = 1) -> Audit:
    """One candidate of a synthetic world, without the controls, which take most of the time."""
    return judge(world.draw(seed).outputs(), policy, name=name, seed=seed, controls=NOT_RUN)


def reported(audits: list[Audit], policy: Policy = STANDARD, registered: str | None = None) -> Report:
    """The report of these candidates, all of one size."""
    reference = audits[0].reference
    data = DataRecord(
        source="model.npz",
        fingerprint="0" * 64,
        split=None,
        classes=10,
        class_names=None,
        forget=reference.forget * (2 if reference.unit == "person" else 1),
        unseen=_unseen(audits[0]) * (2 if reference.unit == "person" else 1),
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


def _unseen(audit: Audit) -> int:
    """Unseen rows of the data, those of other classes included where a class was forgotten."""
    own = audit.reference.unseen_calibration + audit.reference.unseen_evaluation
    return own + (9 * CLASS.others if audit.setting.of_class else 0)


@pytest.fixture(scope="session")
def audits() -> dict[str, Audit]:
    """One candidate of each outcome."""
    made = {outcome: audited(world, name=outcome.lower()) for outcome, world in WORLDS.items()}
    assert {outcome: audit.verdict.outcome for outcome, audit in made.items()} == {
        outcome: outcome for outcome in WORLDS
    }
    return made


@pytest.fixture(scope="session")
def kinds() -> dict[str, Audit]:
    """One candidate of each kind."""
    return {kind: made.audit(kind) for kind, made in KINDS.items()}


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
