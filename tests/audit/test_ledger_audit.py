"""Audits with a method that takes back updates of the original's training."""

import shutil
import tomllib
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vestige.audit.config.config import AuditConfig, CandidateSpec, parse_config
from vestige.audit.models.ledgers import ledger_folder
from vestige.audit.models.making import Plan, plan_models, train_missing, unlearn_missing
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import ignore
from vestige.audit.workflows.run import run_audit
from vestige.learners.errors import DataError
from vestige.learners.training.checkpoints import load_checkpoint, weights_digest
from vestige.learners.training.ledger import Ledger

TOML = """
workers = 1
data = {source = "digits"}
forget = {random = 20, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 8}
recipe = {epochs = 2, batch_size = 32, learning_rate = 0.1}
retrains = {count = 2}
unlearners = {amnesiac = {}, finetune = {}}
policy = {profile = "screening", min_evidence = "C"}
"""


@pytest.fixture
def config() -> AuditConfig:
    return parse_config(tomllib.loads(TOML))


@pytest.fixture
def without(config: AuditConfig) -> AuditConfig:
    """The same audit without the method that needs a ledger."""
    kept = tuple(spec for spec in config.candidates if spec.method != "amnesiac")
    return replace(config, candidates=kept)


def made(config: AuditConfig, workspace: Workspace) -> Plan:
    plan = plan_models(config, Path("."))
    train_missing(plan, workspace, ignore)
    unlearn_missing(plan, workspace, ignore)
    return plan


def models(workspace: Workspace) -> dict[str, str]:
    """Weights by file name; the headers hold seconds."""
    cpu = torch.device("cpu")
    return {path.name: weights_digest(load_checkpoint(path, cpu)[0]) for path in (workspace.root / "models").iterdir()}


def test_the_ledger_is_kept_where_a_candidate_needs_it(config: AuditConfig, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    plan = made(config, workspace)
    ledger = Ledger.read(ledger_folder(workspace, plan.original, plan.split))
    original, _ = load_checkpoint(workspace.model_path(plan.original), torch.device("cpu"))
    assert ledger.weights == weights_digest(original)
    assert np.array_equal(ledger.watched, np.sort(plan.split.forget))
    assert 0 < len(ledger.members) <= ledger.steps
    (key,) = [key for spec, key in plan.candidates if spec.method == "amnesiac"]
    _, header = workspace.load(key, torch.device("cpu"))
    assert header.cost is not None and f"of {ledger.steps} batches taken back" in " ".join(header.cost["notes"])


def test_nothing_is_kept_where_no_candidate_needs_it(without: AuditConfig, tmp_path: Path) -> None:
    made(without, Workspace(tmp_path))
    assert not (tmp_path / "ledgers").exists()


def test_the_ledger_changes_no_model(config: AuditConfig, without: AuditConfig, tmp_path: Path) -> None:
    one, other = Workspace(tmp_path / "with"), Workspace(tmp_path / "without")
    made(config, one)
    made(without, other)
    assert models(other).items() <= models(one).items()


def test_an_original_without_a_ledger_is_trained_again_and_kept(
    config: AuditConfig, without: AuditConfig, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "grown")
    made(without, workspace)
    before = models(workspace)
    made(config, workspace)
    assert before.items() <= models(workspace).items()
    fresh = Workspace(tmp_path / "fresh")
    made(config, fresh)
    assert models(fresh) == models(workspace)


def test_a_finished_audit_keeps_no_ledger_again(config: AuditConfig, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    made(config, workspace)
    shutil.rmtree(tmp_path / "ledgers")
    stages: list[str] = []
    train_missing(plan_models(config, Path(".")), workspace, lambda stage, done, total: stages.append(stage))
    assert not stages and not (tmp_path / "ledgers").exists()


def test_an_original_that_comes_out_otherwise_is_refused(
    config: AuditConfig, without: AuditConfig, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    plan = made(without, workspace)
    model, _ = workspace.load(plan.original, torch.device("cpu"))
    with torch.no_grad():
        model.head.bias += 1e-3
    from vestige.audit.models.making import _header
    from vestige.learners.training.checkpoints import checkpoint_bytes

    workspace.write_model(plan.original, checkpoint_bytes(model, _header(plan, plan.original)))
    before = models(workspace)
    with pytest.raises(DataError, match="expected the same weights when the original was trained again.*new workspace"):
        made(config, workspace)
    assert models(workspace) == before
    assert not any((tmp_path / "ledgers").iterdir())


def test_a_ledger_that_the_disk_has_no_room_for_is_refused_before_training(
    config: AuditConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(DataError, match="^amnesiac: expected room for .* GiB of training updates, got 0.0 GiB free"):
        made(config, Workspace(tmp_path))
    assert not (tmp_path / "models").exists()


def test_remains_of_a_ledger_that_was_not_finished_are_removed(without: AuditConfig, tmp_path: Path) -> None:
    remains = tmp_path / "ledgers" / ".original-1.part"
    remains.mkdir(parents=True)
    (remains / "updates.npy").write_bytes(b"half")
    run_audit(without, Workspace(tmp_path))
    assert not remains.exists()


@pytest.mark.slow
def test_workers_read_the_ledger_by_its_folder(config: AuditConfig, tmp_path: Path) -> None:
    specs = (*config.candidates, CandidateSpec(name="again", method="amnesiac", parameters={"share": 0.5}))
    more = replace(config, candidates=specs)
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    made(more, one)
    made(replace(more, workers=2), two)
    assert models(one) == models(two)
