"""What a report cites by digest, checked against files: outputs, checkpoints, registrations."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.audit.gating.conftest import SMALL, run
from vestige.audit.config.config import parse_config
from vestige.audit.gate.cited_files import Cited
from vestige.audit.gate.formats.in_toto import in_toto
from vestige.audit.gate.gate import Gate, Requirement, gate
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.report.html import write_report
from vestige.audit.results.report import Report
from vestige.audit.workflows.run import run_audit
from vestige.learners.errors import DataError
from vestige.learners.training.checkpoints import load_checkpoint, save_checkpoint

RUN = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 2, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {controls = false, finetune = {}, gradient_ascent = {passes = 2}}
policy = {profile = "screening", min_evidence = "C"}
"""


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole audit with two candidates."""
    folder = tmp_path_factory.mktemp("workspace")
    write_report(run_audit(parse_config(tomllib.loads(RUN)), Workspace(folder)), folder / "report")
    return folder


@pytest.fixture
def place(workspace: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(workspace, tmp_path / "copy"))


def policy() -> Requirement:
    return Requirement.of(parse_config(tomllib.loads(RUN)).policy)


def states(found: Gate) -> dict[str, str]:
    return {entry.what: entry.state for entry in found.cited}


def model(place: Path, role: str, number: int = 0) -> Path:
    return sorted((place / "models").glob(f"{role}-*.safetensors"))[number]


def test_everything_that_is_at_hand_is_checked(place: Path) -> None:
    found = gate([place / "report"], policy(), evidence=[place])
    by_what = states(found)
    assert by_what.pop("pixels and labels of 'digits'") == "not checkable"
    assert len(by_what) == 7 and set(by_what.values()) == {"checked"}
    assert {"weights of the original", "weights of retrain 3", "registered policy (matched by sizes)"} < set(by_what)
    assert {entry.candidate for entry in found.cited if entry.candidate} == {"finetune", "gradient_ascent"}


def test_what_is_not_at_hand_is_said(place: Path) -> None:
    found = gate([place / "report"], policy())
    assert set(states(found).values()) == {"not at hand", "not checkable"}
    found = gate([place / "report"], policy(), evidence=[model(place, "original")])
    assert [what for what, state in states(found).items() if state == "checked"] == ["weights of the original"]


def test_the_command_says_it_line_by_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "policy.toml"
    file.write_text('profile = "screening"\nmin_evidence = "C"\n')
    code = run("gate", str(place / "report"), "--policy", str(file), "--evidence", str(place / "models"))
    out = capsys.readouterr().out
    assert code in (0, 1, 3) and out.count(": checked (") == 6
    assert "registered policy" in out and out.count(": not at hand") == 1 and out.count(": not checkable") == 1


def changed(path: Path, target: Path | None = None) -> Path:
    """The checkpoint with one weight moved, its header as it was."""
    network, header = load_checkpoint(path, torch.device("cpu"))
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-3
    save_checkpoint(target or path, network, header)
    return target or path


@pytest.mark.parametrize("role", ["original", "retrain", "candidate"])
@pytest.mark.parametrize("named", [True, False])
def test_another_checkpoint_in_the_place_of_a_cited_one(place: Path, role: str, named: bool) -> None:
    path = changed(model(place, role))
    with pytest.raises(DataError, match=r"expected weights of .* as the report cites, got [0-9a-f]{16}"):
        gate([place / "report"], policy(), evidence=[path if named else place / "models"])


def test_leftovers_beside_the_cited_checkpoint_do_no_harm(place: Path) -> None:
    changed(model(place, "candidate"), place / "models" / "candidate-old.safetensors")
    found = gate([place / "report"], policy(), evidence=[place])
    assert "not at hand" not in states(found).values()


def test_a_digest_edited_in_the_report(place: Path) -> None:
    path = place / "report" / "report.json"
    text = path.read_text()
    weights = json.loads(text)["audits"][0]["weights"]
    path.write_text(text.replace(weights, "0" * 64))
    with pytest.raises(DataError, match="expected weights of candidate 'finetune' with digest 0000000000000000"):
        gate([path], policy(), evidence=[place / "models"])


def test_a_named_file_that_confirms_nothing_is_refused(place: Path, tmp_path: Path) -> None:
    network, header = load_checkpoint(model(place, "original"), torch.device("cpu"))
    stranger = tmp_path / "stranger.safetensors"
    save_checkpoint(stranger, network, replace(header, seed=99))
    assert "weights of the original" in states(gate([place / "report"], policy(), evidence=[stranger]))
    with torch.no_grad():
        next(network.parameters()).zero_()
    save_checkpoint(stranger, network, replace(header, seed=99))
    with pytest.raises(DataError, match="cited nowhere"):
        gate([place / "report"], policy(), evidence=[stranger])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.safetensors", b"junk", "not a whole safetensors file"),
        ("notes.txt", b"", "another kind of file"),
        ("registration-1.json", b"{}", "expected a registered policy"),
        ("registration-1.json", b"[" * 100_000, "expected a registered policy"),
        ("registration-1.json", b'{"policy": {"margin_auc": 2}}', "margin_auc"),
        ("x.npz", b"junk", "cited nowhere"),
    ],
)
def test_damaged_evidence(place: Path, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        gate([place / "report"], policy(), evidence=[path])
    found = gate([place / "report"], policy(), evidence=[tmp_path / "copy" / "models", tmp_path])
    assert any(name in remark for remark in found.remarks) == (name.startswith(("x.s", "reg")))


def test_missing_evidence(place: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        gate([place / "report"], policy(), evidence=[place / "nowhere"])


def test_the_registration_must_be_the_cited_one(place: Path) -> None:
    path = next(place.glob("registration-*.json"))
    content = json.loads(path.read_text())
    content["policy"]["margin_auc"] = 0.01
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected a registered policy with its hash"):
        gate([place / "report"], policy(), evidence=[path])
    content["policy_hash"] = Policy.of(content["policy"]).hash
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected registered policy with digest"):
        gate([place / "report"], policy(), evidence=[place])
    content["preconditions"]["forget"] = 99
    path.write_text(json.dumps(content))
    found = gate([place / "report"], policy(), evidence=[place])
    assert states(found)["registered policy"] == "not at hand"


def test_the_statement_names_the_file_of_a_confirmed_candidate(place: Path) -> None:
    found = gate([place / "report"], policy(), evidence=[place])
    subjects = json.loads(in_toto(found))["subject"]
    files = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (place / "models").glob("candidate-*")}
    assert {subject["digest"]["sha256"] for subject in subjects} == files and len(files) == 2
    without = json.loads(in_toto(gate([place / "report"], policy())))["subject"]
    assert all(list(subject["digest"]) == ["vestigeWeights"] for subject in without)


@pytest.fixture
def from_outputs(tmp_path: Path) -> Path:
    """A folder with an outputs file and the report that the command made of it."""
    SMALL.draw(4).outputs().write(tmp_path / "model.npz")
    assert run("audit", "--outputs", str(tmp_path / "model.npz"), "--report", str(tmp_path / "r")) in (0, 1, 3)
    return tmp_path


def cited(folder: Path, *evidence: Path) -> tuple[Cited, ...]:
    return gate([folder / "r"], Requirement.of(Policy()), evidence=evidence).cited


def test_outputs_and_their_registration(from_outputs: Path) -> None:
    outputs, registered = cited(from_outputs, from_outputs)
    assert (outputs.kind, outputs.state, registered.kind, registered.state) == (
        "outputs",
        "checked",
        "registration",
        "checked",
    )
    assert registered.what == "registered policy"
    moved = (from_outputs / "model.npz").rename(from_outputs / "renamed.npz")
    assert cited(from_outputs, moved)[0].state == "checked"


def other_outputs(folder: Path) -> None:
    outputs = SMALL.draw(5).outputs()
    outputs.write(folder / "model.npz")


def one_bit(folder: Path) -> None:
    content = bytearray((folder / "model.npz").read_bytes())
    content[-1] ^= 1
    (folder / "model.npz").write_bytes(content)


@pytest.mark.parametrize("damage", [other_outputs, one_bit])
@pytest.mark.parametrize("named", [True, False])
def test_another_outputs_file_under_the_same_name(
    from_outputs: Path, damage: Callable[[Path], None], named: bool
) -> None:
    damage(from_outputs)
    with pytest.raises(DataError, match="expected outputs file 'model.npz' with digest"):
        cited(from_outputs, from_outputs / "model.npz" if named else from_outputs)


def test_the_registration_of_other_outputs_is_none_of_this_audit_s(from_outputs: Path, tmp_path: Path) -> None:
    """Two audits of one size share a folder: with the outputs at hand, only what was made for them counts."""
    path = next((from_outputs / "r").glob("registration-*.json"))
    content = json.loads(path.read_text())
    content["subject"] = "0" * 64
    path.write_text(json.dumps(content))
    assert [entry.state for entry in cited(from_outputs, from_outputs)] == ["checked", "not at hand"]
    by_sizes = cited(from_outputs, from_outputs / "r")
    assert [entry.state for entry in by_sizes] == ["not at hand", "checked"]
    assert by_sizes[1].what == "registered policy (matched by sizes)"


def test_probabilities_are_found_under_their_own_subject(tmp_path: Path) -> None:
    outputs = SMALL.draw(4).outputs()

    def softmax(logits: Any) -> Any:
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    values = {name: softmax(getattr(outputs, name)) for name in ("candidate", "retrain", "original")}
    np.savez(tmp_path / "p.npz", labels=outputs.labels, role=outputs.role, **values)
    command = ("audit", "--outputs", str(tmp_path / "p.npz"), "--probabilities", "--report", str(tmp_path / "r"))
    assert run(*command) in (0, 1, 3)
    assert [entry.state for entry in cited(tmp_path, tmp_path)] == ["checked", "checked"]


def test_reports_of_the_real_command_pass_the_gate_with_their_controls(from_outputs: Path, workspace: Path) -> None:
    for folder, required in ((from_outputs / "r", Requirement.of(Policy())), (workspace / "report", policy())):
        found = gate([folder], required)
        report: Report = found.candidates[0].report
        assert [candidate.audit for candidate in found.candidates] == list(report.audits)
        assert all(candidate.audit.controls is not None for candidate in found.candidates)
