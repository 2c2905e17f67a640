"""`vestige run` on a workspace that holds a shadow bank: real networks, and the report it writes."""

import json
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vestige.audit.cli.entry import main
from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.models.workspace import Workspace
from vestige.audit.results.json import comparable, to_json
from vestige.audit.results.report import Report
from vestige.audit.shadows.bank import run_shadows
from vestige.audit.studies.attacks.candidates import attack_candidates
from vestige.audit.workflows.run import run_audit
from vestige.learners.engine.jobs import run_jobs

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.2}
forget = {random = 300, unseen = 500, validation = 50}
model = {architecture = "mlp", width = 32}
recipe = {epochs = 20, batch_size = 64, learning_rate = 0.2, weight_decay = 0.0}
retrains = {count = 7}
shadows = {count = 16}
unlearners = {finetune = {share = 0.1}}
policy = {profile = "standard", min_evidence = "C"}
"""


class Here:
    """An engine without processes: they take longer to start than these networks take to train."""

    def run(self, work: Any, jobs: Sequence[Any], *, progress: Any = None) -> Iterator[tuple[int, Any]]:
        yield from run_jobs(work, jobs, workers=1, progress=progress)


@pytest.fixture(scope="module")
def config() -> AuditConfig:
    return parse_config(tomllib.loads(TOML))


@pytest.fixture(scope="module")
def workspace(config: AuditConfig, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    place = Workspace(tmp_path_factory.mktemp("audit") / "ws")
    run_shadows(config, place.root, engine=Here(), unlearn=["finetune"])
    return place


@pytest.fixture(scope="module")
def report(config: AuditConfig, workspace: Workspace) -> Report:
    return run_audit(config, workspace)


def endpoints(report: Report, candidate: str) -> dict[str, Any]:
    audit = next(one for one in report.audits if one.candidate == candidate)
    return {one.name: one for one in audit.endpoints}


def test_a_model_that_forgot_nothing_fails_on_lira_and_a_retrain_does_not(report: Report) -> None:
    outcomes = {audit.candidate: audit.verdict for audit in report.audits}
    assert outcomes["no_op"].outcome == "FAIL" and outcomes["fresh_retrain"].outcome != "FAIL"
    assert "outside" in {endpoints(report, "no_op")[name].decision for name in ("F4", "F5")}
    retrain = endpoints(report, "fresh_retrain")
    assert retrain["F4"].decision == retrain["F5"].decision == "within"
    assert retrain["A4"].reason == "needs shadows that the candidate's method was run on"
    shadows = {audit.candidate: audit.shadows for audit in report.audits}
    assert {name: (one.shadows, one.unlearned) for name, one in shadows.items() if one is not None} == {
        "no_op": (16, 0),
        "fresh_retrain": (16, 0),
        "finetune": (16, 16),
    }
    assert all("FEW_SHADOWS" in "".join(verdict.notes) for verdict in outcomes.values())
    assert not any(one.outside for audit in report.audits if audit.controls for one in audit.controls.null)


def test_values_are_those_of_vestige_attack(report: Report, config: AuditConfig, workspace: Workspace) -> None:
    (table,) = attack_candidates(config, workspace, names=["finetune"])
    found, own = {one.attack: one for one in table.results}, endpoints(report, "finetune")
    for name, attack in (("A4", "ulira"), ("F4", "lira_online"), ("F5", "lira_offline")):
        one, other = own[name], found[attack]
        assert (one.candidate, one.original) == pytest.approx((other.auc, other.original), abs=1e-12)
        assert sum(one.retrains) / 7 == pytest.approx(other.retrains, abs=1e-12) and len(one.retrains) == 7
    audit = next(one for one in report.audits if one.candidate == "finetune")
    assert audit.shadows is not None and audit.shadows.unseen_evaluation == found["ulira"].nonmembers


def test_the_report_passes_the_gate_and_a_second_run_is_the_same(
    report: Report, config: AuditConfig, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")
    gated = gate([path], Requirement.of(config.policy))
    assert [one.audit.verdict for one in gated.candidates] == [audit.verdict for audit in report.audits]
    assert comparable(to_json(run_audit(config, workspace))) == comparable(path.read_text())


def test_without_the_bank_all_other_values_are_the_same(
    report: Report, config: AuditConfig, workspace: Workspace, tmp_path: Path
) -> None:
    bare = Workspace(tmp_path / "ws")
    shutil.copytree(workspace.root, bare.root, ignore=shutil.ignore_patterns("shadows"))
    found = run_audit(config, bare)
    for audit in found.audits:
        assert audit.shadows is None and audit.utility == next(
            one.utility for one in report.audits if one.candidate == audit.candidate
        )
        for one in audit.endpoints:
            other = endpoints(report, audit.candidate)[one.name]
            if one.name in ("A4", "T4", "F4", "F5"):
                assert (one.candidate, one.reason) == (None, "needs a shadow bank")
            else:
                assert (one.candidate, one.retrains, one.interval) == (other.candidate, other.retrains, other.interval)


def test_a_small_bank_is_not_in_force_and_a_damaged_one_is_refused(
    config: AuditConfig, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Workspace(tmp_path / "ws")
    shutil.copytree(workspace.root, small.root)
    (bank,) = (small.root / "shadows").glob("bank-*")
    for model in range(8, 16):
        shutil.rmtree(bank / f"shadow-{model:05d}")
    found = run_audit(config, small)
    for audit in found.audits:
        assert {one.reason for one in audit.endpoints if one.name in ("A4", "F4", "F5")} == {
            "needs at least 16 shadows, got 8"
        }
        assert "SHADOWS_REFUSED" in "".join(audit.verdict.notes)
    table = bank / "shadow-00003" / "phi.npy"
    table.write_bytes(table.read_bytes()[:-4] + b"\0\0\0\0")
    (tmp_path / "audit.toml").write_text(TOML)
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "audit.toml"), "--workspace", str(small.root)])
    assert ended.value.code == 4 and "shadow-00003: not a whole shadow" in capsys.readouterr().err


def test_a_faulty_bank_is_refused_with_its_fault(
    config: AuditConfig, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def equal(bank: Any, **accuracies: float) -> tuple[str, ...]:
        return ("2 of 16 shadows say exactly what another says",)

    monkeypatch.setattr("vestige.audit.shadows.scores.bank_problems", equal)
    found = run_audit(config, workspace)
    for audit in found.audits:
        assert {one.reason for one in audit.endpoints if one.name in ("A4", "F4", "F5")} == set(equal(None))
    assert json.loads(to_json(found))["audits"][2]["shadows"]["problem"] == equal(None)[0]
