"""vestige audit and export-outputs on models made elsewhere, as their user runs them."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.attacks import table_files
from tests.audit.outside_world import FORGET, TEST, N, arguments, data_file, make_world
from tests.command import say
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.cli.model_options import expand
from vestige.audit.results.json import read_report
from vestige.audit.results.report import Report
from vestige.learners.errors import DataError

MODULE = "net_of_the_outside_tests"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("secret-place") / "my möbel", MODULE)


@pytest.fixture
def inside(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def evidence(report: Report) -> Any:
    """What the verdict rests on."""
    return [(one.endpoints, one.verdict) for one in report.audits]


@pytest.fixture
def direct(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    said = say(capsys, "audit", *arguments(MODULE), "--report", tmp_path / "direct")
    assert said.code in (0, 1, 3), said.err
    return read_report(tmp_path / "direct")


def test_a_report_of_models_made_elsewhere(direct: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[direct.audits[0].verdict.outcome]
    assert direct.models.asked is not None and direct.models.weights is not None
    assert direct.models.asked.startswith("3 x weights from a state_dict, ")
    assert "1 x weights from the entry state_dict of a checkpoint" in direct.models.asked
    assert f"network made by {MODULE}:make" in direct.models.asked and "Images scaled to 0..1" in direct.models.asked
    natural = ["retrain-1.pt", "retrain-2.pt", "retrain-10.pt"]
    assert list(direct.models.weights.retrains) == [
        hashlib.sha256(Path(one).read_bytes()).hexdigest() for one in natural
    ]
    assert direct.models.weights.original == hashlib.sha256(Path("o.safetensors").read_bytes()).hexdigest()
    assert direct.data.forget == FORGET and 0 < direct.data.unseen <= TEST and direct.data.retain == N - FORGET
    gated = say(capsys, "gate", "--profile", "standard", tmp_path / "direct" / "report.json")
    assert gated.code == judged, gated.err
    for name in ("report.json", "report.html"):
        text = (tmp_path / "direct" / name).read_text()
        assert "secret-place" not in text and str(tmp_path) not in text and "möbel" not in text


def test_names_with_folders_stay_out_of_a_report(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(world))
    names = {name: str(world / name) for name in ("c.pt", "o.safetensors", "retrain-*.pt", "forget.txt", "data.npz")}
    said = say(
        capsys, "audit", "--model", f"{MODULE}:make", "--data", f"npz:{names['data.npz']}", "--forget",
        names["forget.txt"], "--candidate", names["c.pt"], "--original", names["o.safetensors"], "--retrain",
        names["retrain-*.pt"], "--report", "report",
    )  # fmt: skip
    assert said.code in (0, 1, 3), said.err
    command = read_report(tmp_path / "report").reproduce
    assert command is not None and "npz:data.npz" in command and "--forget forget.txt" in command
    for name in ("report.json", "report.html"):
        assert "secret-place" not in (tmp_path / "report" / name).read_text()


def test_one_file_of_outputs_and_one_for_each_model_give_the_same(
    direct: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all öf them.npz"
    said = say(capsys, "export-outputs", *arguments(MODULE), "--out", out)
    assert (
        said.code == 0 and f"5 models on {FORGET} forget, {direct.data.unseen} unseen, {N - FORGET} retain" in said.out
    )
    assert "--outputs 'all öf them.npz'" in said.out
    held = Outputs.read(out)
    assert held.id is not None and held.id[0] == "0" and held.retrain.shape == (3, N + direct.data.unseen, 3)
    code = say(capsys, "audit", "--outputs", out, "--name", "c", "--report", tmp_path / "from-one").code
    assert code in (0, 1, 3) and evidence(read_report(tmp_path / "from-one")) == evidence(direct)
    models = {"c": "c.pt", "o": "o.safetensors", "r1": "retrain-1.pt", "r2": "retrain-2.pt", "r10": "retrain-10.pt"}
    for name, file in models.items():
        given = arguments(MODULE, leave_out=["--candidate", "--original", "--retrain"])
        said = say(capsys, "export-outputs", *given, "--candidate", file, "--out", tmp_path / f"{name}.npz")
        assert said.code == 0 and f"--candidate {name}.npz" in said.out and "--outputs" not in said.out
    files = ["--candidate", tmp_path / "c.npz", "--original", tmp_path / "o.npz", "--retrain", tmp_path / "r*.npz"]
    assert say(capsys, "audit", *files, "--report", tmp_path / "one-each").code == code
    assert evidence(read_report(tmp_path / "one-each")) == evidence(direct)


def test_an_audit_file_with_data_and_forget_alone(
    direct: Report, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'[data]\nsource = "npz:{inside / "data.npz"}"\n[forget]\nfile = "{inside / "forget.txt"}"\n'
    (tmp_path / "audit.toml").write_text(text)
    given = ["--config", tmp_path / "audit.toml", *arguments(MODULE, leave_out=["--data", "--forget"])]
    said = say(capsys, "audit", *given, "--report", tmp_path / "report")  # its module lies here, not beside the file
    assert said.code in (0, 1, 3), said.err
    assert evidence(read_report(tmp_path / "report")) == evidence(direct)
    (tmp_path / "audit.toml").write_text(text + "[policy]\nprofile = 'strict'\n")
    assert say(capsys, "audit", *given, "--report", tmp_path / "strict").code in (0, 1, 3)
    assert read_report(tmp_path / "strict").policy.profile == "strict"
    both = say(capsys, "audit", *given, "--data", "npz:data.npz", "--report", tmp_path / "no")
    assert both.code == 2 and "either --config, or --data with --forget" in both.refusal
    own = say(capsys, "audit", "--config", tmp_path / "audit.toml", "--candidate", "o.safetensors", "--original",
              "o.safetensors", "--retrain", "o.safetensors", "--report", tmp_path / "no")  # fmt: skip
    assert own.code in (2, 4) and own.refusal
    assert not (tmp_path / "no").exists()


def test_a_function_of_preprocessing_and_a_second_source(
    direct: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "audit", *arguments(MODULE, "--preprocess", f"{MODULE}:prepare"), "--report", tmp_path / "a")
    assert said.code in (0, 1, 3), said.err
    report = read_report(tmp_path / "a")
    assert evidence(report) == evidence(direct)
    assert report.models.asked is not None and f"Images prepared by {MODULE}:prepare." in report.models.asked
    other = data_file(tmp_path / "zweite quelle.npz", 150, 50, seed=7)
    said = say(capsys, "audit", *arguments(MODULE, "--unseen", f"npz:{other}"), "--report", tmp_path / "b")
    assert said.code in (0, 1, 3), said.err
    report = read_report(tmp_path / "b")
    assert 100 < report.data.unseen <= 200 and "zweite quelle.npz" in report.data.source
    assert str(tmp_path) not in (tmp_path / "b" / "report.json").read_text()


WRONG = {
    "no factory": ([], ["--model"], 2, "expected a factory for weights alone"),
    "no such module": (["--model", "no_such_net:make"], ["--model"], 2, "no_such_net"),
    "another network": (["--model", f"{MODULE}:wider"], ["--model"], 4, "o.safetensors: expected"),
    "other classes": (["--model", f"{MODULE}:four"], ["--model"], 4, "makes 4 classes and the checkpoint has 3"),
    "no candidate": ([], ["--candidate"], 2, "give --outputs FILE"),
    "a file that is not there": (["--candidate", "gone.pt"], ["--candidate"], 4, "gone.pt: expected a model file"),
    "a folder": (["--candidate", "."], ["--candidate"], 4, "a folder"),
    "no match": (["--retrain", "nothing-*.pt"], ["--retrain"], 4, "expected files of such names, got none"),
    "no data": ([], ["--data"], 2, "give --data SOURCE and --forget FILE"),
    "no forget": ([], ["--forget"], 2, "give --data SOURCE and --forget FILE"),
    "two preparations": (
        ["--mean", "0.5", "--preprocess", f"{MODULE}:prepare"],
        [],
        2,
        "either --preprocess, or --mean",
    ),
    "columns": (["--column", "label=y"], [], 2, "go with outputs: checkpoints give logits"),
    "probabilities": (["--probabilities"], [], 2, "go with outputs: checkpoints give logits"),
    "outputs, too": (["--outputs", "x.npz"], [], 2, "either --outputs, or a file for each model"),
    "outputs of a model": (["--candidate", "c.npz"], ["--candidate"], 2, "c.npz holds outputs"),
    "a wrong mean": (["--mean", "a"], [], 2, "mean: expected"),
    "a wrong device": (["--device", "abacus"], [], 2, "abacus"),
    "images upside down": (["--mean", "1", "--std=0.0001"], [], 4, "such as no --mean and no --std); give mean"),
    "no original either": (["--mean", "1", "--std=0.0001"], ["--original"], 4, "expected accuracy above chance"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_meant_is_refused(
    what: str, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more, without, code, words = WRONG[what]
    said = say(capsys, "audit", *arguments(MODULE, *more, leave_out=without), "--report", tmp_path / "report")
    assert said.code == code and words in said.refusal, said
    assert not (tmp_path / "report").exists()


def test_classes_in_another_order_are_refused(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = torch.load("retrain-2.pt", weights_only=True)
    order = [1, 0, 2]
    torch.save({**state, "3.weight": state["3.weight"][order], "3.bias": state["3.bias"][order]}, tmp_path / "r.pt")
    given = arguments(MODULE, "--retrain", str(tmp_path / "r.pt"))
    said = say(capsys, "audit", *given, "--report", tmp_path / "report")
    assert said.code == 4 and "expected its classes in the order of the labels" in said.refusal
    said = say(capsys, "export-outputs", *given, "--out", tmp_path / "out.npz")
    assert said.code == 4 and "in the order of the labels" in said.refusal and not (tmp_path / "out.npz").exists()


def test_without_original_and_without_retrains(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "audit", *arguments(MODULE, leave_out=["--original"]), "--report", tmp_path / "a")
    assert said.code in (1, 3), said.err
    report = read_report(tmp_path / "a")
    assert report.models.weights is not None and report.models.weights.original is None
    said = say(capsys, "audit", *arguments(MODULE, leave_out=["--retrain"]), "--report", tmp_path / "b")
    assert said.code == 3 and "--retrain" not in said.err, said.err
    made = Path("retrains")
    made.mkdir()
    try:
        shutil.copy("retrain-1.pt", made)
        said = say(capsys, "audit", *arguments(MODULE, leave_out=["--retrain"]), "--report", tmp_path / "d")
        assert said.code == 3 and "there are some: --retrain 'retrains/retrain-*.pt'" in said.err
    finally:
        shutil.rmtree(made)
    said = say(capsys, "audit", *arguments(MODULE, "--random", leave_out=["--retrain"]), "--report", tmp_path / "c")
    assert said.code in (0, 1, 3), said.err


def test_patterns_in_natural_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("r-10.pt", "r-2.pt", "r-1.pt", "r-a.pt", "[1].pt"):
        Path(name).write_bytes(b"")
    assert [one.name for one in expand([Path("r-*.pt")])] == ["r-1.pt", "r-2.pt", "r-10.pt", "r-a.pt"]
    assert expand([Path("[1].pt"), Path("gone.pt")]) == (Path("[1].pt"), Path("gone.pt"))  # a name before a pattern
    with pytest.raises(DataError, match="expected files of such names"):
        expand([Path("x?.pt")])


def test_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = table_files.make(n=240, classes=3, retrains=3)
    frame = table_files.by_row(outputs)
    plain = table_files.save(frame, tmp_path / "plain.csv")
    code = say(capsys, "audit", "--outputs", plain, "--name", "x", "--report", tmp_path / "plain").code
    assert code in (0, 1, 3)
    expected = evidence(read_report(tmp_path / "plain"))
    frame = frame.rename(columns={"label": "y"}).replace({"role": {"unseen": "test"}})
    path = table_files.save(frame, tmp_path / "mit leer zeichen ü.csv")
    given = ["--column", "label=y", "--role", "test=unseen", "--name", "x"]
    said = say(capsys, "audit", "--outputs", path, *given, "--report", tmp_path / "named")
    assert said.code == code, said.err
    assert evidence(read_report(tmp_path / "named")) == expected
    files = table_files.several(outputs, tmp_path)
    given = ["--candidate", files.candidate, "--original", files.original, "--retrain", tmp_path / "retrain-*.csv"]
    said = say(capsys, "audit", *given, "--examples", files.examples, "--name", "x", "--report", tmp_path / "several")
    assert said.code == code, said.err
    assert evidence(read_report(tmp_path / "several")) == expected


def test_tables_of_probabilities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = table_files.make(n=240, classes=3, retrains=3)

    def softmax(values: Any) -> Any:
        made = np.exp(values - values.max(-1, keepdims=True))
        return made / made.sum(-1, keepdims=True)

    changed = replace(
        outputs,
        **{name: softmax(getattr(outputs, name)) for name in ("candidate", "original", "retrain")},
    )
    path = table_files.save(table_files.by_row(changed, "prob_"), tmp_path / "p.csv")
    said = say(capsys, "audit", "--outputs", path, "--probabilities", "--report", tmp_path / "report")
    assert said.code in (0, 1, 3), said.err
    said = say(capsys, "audit", "--outputs", path, "--report", tmp_path / "no")
    assert said.code in (2, 4) and "--probabilities" in said.refusal and not (tmp_path / "no").exists()


def test_tables_that_do_not_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = table_files.make(n=240, classes=3, retrains=3)
    outputs.write(tmp_path / "o.npz")
    path = table_files.save(table_files.by_row(outputs), tmp_path / "t.csv")
    for given, code, words in (
        (["--outputs", tmp_path / "o.npz", "--column", "label=y"], 2, "go with tables"),
        (["--outputs", path, "--column", "label=nothing"], 2, "nothing"),
        (["--outputs", path, "--column", "nonsense"], 2, "nonsense"),
        (["--outputs", path, "--seed", "3"], 2, "--seed goes with --data"),
        (["--outputs", tmp_path / "o.npz", "--device", "cpu"], 2, "no model is run"),
        (["--candidate", path, "--retrain", path, "--batch-size", "8"], 2, "no model is run"),
        (["--outputs", tmp_path / "gone.csv"], 4, "gone.csv"),
        (["--candidate", tmp_path / "gone.npz", "--retrain", tmp_path / "o.npz"], 4, "gone.npz"),
        (["--candidate", path, "--model", "a:b"], 2, "t.csv holds outputs"),
        (["--outputs", tmp_path], 4, "folder"),
    ):
        said = say(capsys, "audit", *given, "--report", tmp_path / "report")
        assert said.code == code and words in said.refusal, (given, said)
        assert not (tmp_path / "report").exists()
