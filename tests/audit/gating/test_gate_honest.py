"""Reports as the audit writes them, of every kind, go through the gate with their own verdict."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.gating.conftest import NOT_RUN, WORLD, WORLDS, audited, reported
from tests.audit.judging import judge
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json

SMALL = replace(WORLD, forget=300, unseen=1600, retain=200, retrains=5)
KINDS: dict[str, tuple[World, dict[str, Any]]] = {
    **{outcome.lower(): (world, {}) for outcome, world in WORLDS.items()},
    "two retrains": (replace(SMALL, retrains=2), {}),
    "one retrain": (replace(SMALL, retrains=1), {}),
    "three retrains, a leak": (replace(SMALL, retrains=3, candidate=memorised(3)), {"min_evidence": "C"}),
    "two retrains, a leak": (replace(SMALL, retrains=2, candidate=memorised(4)), {}),
    "no tail endpoints": (replace(SMALL, unseen=900), {"min_evidence": "C", "margin_auc": 0.3}),
    "no original": (replace(SMALL, original=None), {}),
    "no retain": (replace(SMALL, retain=0), {}),
    "nothing memorised": (replace(SMALL, original=constant(0.0)), {"accept_vacuous": True, "margin_auc": 0.3}),
    "few examples": (replace(SMALL, forget=3, unseen=20), {}),
    "one forget example": (replace(SMALL, forget=1, unseen=20, retrains=4), {}),
    "reversed": (replace(SMALL, original=constant(-3.0)), {}),
    "over-forgotten": (replace(SMALL, candidate=constant(-3.0)), {}),
    "narrowed margin": (replace(WORLD, original=memorised(0.5)), {"margin_auc": 0.12}),
    "odd retrain": (replace(SMALL, seed_effect=1.5, retrains=4), {}),
    "not exchangeable": (replace(SMALL, forget_difficulty=-1.0), {}),
    "conservative": (replace(SMALL, candidate=constant(0.4)), {"conservative": True}),
    "conservative, a leak": (replace(SMALL, candidate=memorised(3)), {"conservative": True}),
    "conservative, weak original": (replace(SMALL, original=constant(0.45)), {"conservative": True}),
    "other rates": (SMALL, {"fpr": 0.05, "alpha": 0.1, "calibration_share": 0.4, "calibration_seed": 7}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_kind_of_report_is_let_through_with_its_own_verdict(kind: str, seed: int, tmp_path: Path) -> None:
    world, settings = KINDS[kind]
    policy = Policy.of({"profile": "standard", **settings})
    audit = audited(world, policy, seed=seed)
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audit], policy)), encoding="utf-8")
    found = gate([path], Requirement.of(policy))
    assert found.candidates[0].audit == audit
    assert found.outcome == audit.verdict.outcome


def copied(outputs: Outputs, copy: str) -> Outputs:
    if copy == "no_op":
        assert outputs.original is not None
        return replace(outputs, candidate=outputs.original)
    if copy == "a retrain":
        return replace(outputs, candidate=outputs.retrain[1])
    if copy == "every retrain":
        return replace(outputs, retrain=np.repeat(outputs.candidate[None], 3, axis=0))
    if copy == "two retrains":
        return replace(outputs, retrain=np.concatenate([outputs.retrain, outputs.retrain[:1]]))
    if copy == "up to rounding":
        return replace(outputs, retrain=np.concatenate([outputs.retrain, outputs.retrain[:1] * (1 + 1e-9)]))
    assert outputs.original is not None
    return replace(outputs, retrain=np.concatenate([outputs.retrain, outputs.original[None]]))


@pytest.mark.parametrize(
    "copy", ["no_op", "a retrain", "every retrain", "two retrains", "up to rounding", "the original"]
)
def test_reports_on_copies(copy: str, tmp_path: Path) -> None:
    outputs = copied(SMALL.draw(3).outputs(), copy)
    audit = judge(outputs, Policy(), name=copy, seed=0, controls=NOT_RUN)
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audit])), encoding="utf-8")
    found = gate([path], Requirement.of(Policy()))
    assert found.candidates[0].audit == audit
    assert copy == "a retrain" or found.outcome != "PASS"
