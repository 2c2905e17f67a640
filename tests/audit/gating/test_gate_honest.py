"""Reports as the audit writes them, of every kind, go through the gate with their own verdict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.audit.gating.conftest import KINDS, NOT_RUN, SMALL, reported
from tests.audit.judging import judge
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_report_is_let_through_with_its_own_verdict(
    kind: str, kinds: dict[str, Audit], tmp_path: Path
) -> None:
    path, policy = tmp_path / "report.json", KINDS[kind].policy
    for audit in (kinds[kind], KINDS[kind].audit(seed=2)):
        path.write_text(to_json(reported([audit], policy)), encoding="utf-8")
        found = gate([path], Requirement.of(policy))
        assert found.candidates[0].audit == audit and found.outcome == audit.verdict.outcome


def test_the_kinds_are_what_they_are_called(kinds: dict[str, Audit]) -> None:
    outcomes = {kind: audit.verdict.outcome for kind, audit in kinds.items()}
    assert {kind for kind, outcome in outcomes.items() if outcome == "PASS"} == {
        kind for kind in KINDS if kind.endswith("PASS")
    }
    settings = {kind: audit.setting.name for kind, audit in kinds.items() if audit.setting.name != "chosen"}
    assert settings == {kind: kind.removeprefix("a ").replace(",", "").split()[0] for kind in settings}
    codes = {kind: set(audit.verdict.codes) for kind, audit in kinds.items()}
    assert codes["a class, masked"] >= {"TRACE"} and kinds["a class, masked"].masked == (0,)
    assert "REFERENCE" in codes["random, contradicted"] and "REFERENCE" in codes["reversed"]
    assert kinds["people"].reference.unit == "person"
    assert {endpoint.where for endpoint in kinds["groups, PASS"].endpoints} > {"group 0", "class 1", "hardest quarter"}


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
