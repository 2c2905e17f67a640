"""``vestige unlearn``: from a checkpoint and an audit file to a candidate that ``vestige audit`` takes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vestige.audit.cli.entry import main
from vestige.audit.cli.main import COMMANDS
from vestige.audit.config.config import read_config
from vestige.audit.config.overrides import read_settings
from vestige.audit.models.making import plan_models, train_missing
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import ignore
from vestige.audit.results.json import read_report
from vestige.audit.results.report import flat_parameters
from vestige.audit.workflows.run import run_audit
from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.checkpoints import load_checkpoint, read_header, save_checkpoint, weights_digest
from vestige.learners.training.ledger import LedgerWriter
from vestige.learners.training.train import train

TOML = """
workers = 1
device = "cpu"
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 60}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 4, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {finetune = {}, controls = false}
policy = {profile = "screening", min_evidence = "C"}
"""


def run(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@dataclass(frozen=True)
class Place:
    """A finished audit: its file, its original, its retrains, its candidate finetune."""

    config: Path
    original: Path
    retrains: tuple[Path, ...]
    finetune: Path

    def unlearn(self, method: str, output: Path, *more: Any) -> int:
        return run("unlearn", method, "--checkpoint", self.original, "--config", self.config, "--output", output, *more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("audit")
    (folder / "audit.toml").write_text(TOML)
    config = read_config(folder / "audit.toml")
    run_audit(config, Workspace(folder), base=folder)
    models = sorted((folder / "models").iterdir())

    def named(role: str) -> tuple[Path, ...]:
        return tuple(path for path in models if path.name.startswith(role))

    return Place(folder / "audit.toml", named("original")[0], named("retrain"), named("candidate")[0])


def digest_of(path: Path) -> str:
    return weights_digest(load_checkpoint(path, torch.device("cpu"))[0])


def timeless(path: Path) -> Any:
    header = read_header(path)
    return replace(header, cost={**(header.cost or {}), "seconds": 0})


def test_it_makes_the_candidate_that_the_audit_of_the_same_file_makes(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.unlearn("finetune", tmp_path / "new" / "c.safetensors") == 0
    made = tmp_path / "new" / "c.safetensors"
    assert digest_of(made) == digest_of(place.finetune)
    assert timeless(made) == timeless(place.finetune)
    said = capsys.readouterr()
    assert "after finetune" in said.out and "It stopped: budget" in said.out and "of a retrain's" in said.out
    assert "unlearning by finetune: 100 %" in said.err
    assert [path.name for path in made.parent.iterdir()] == ["c.safetensors"]


def test_the_seed_decides(place: Place, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert place.unlearn("finetune", tmp_path / name, "--seed", seed) == 0
    assert timeless(tmp_path / "a") == timeless(tmp_path / "b") and read_header(tmp_path / "a").seed == 5
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b") != digest_of(tmp_path / "c")


def test_the_audit_takes_it_with_nested_hyper_parameters(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "c"
    assert place.unlearn("finetune", made, "--set", "contrastive={weight=0.5}", "--set", "bn=frozen", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["parameters"]["contrastive"]["weight"] == 0.5 and said["parameters"]["bn"] == "frozen"
    assert read_header(made).parameters == said["parameters"]
    share = said["parameters"]["share"]
    assert said["cost"]["share_of_retrain"] == pytest.approx(2 * max(1, round(share * 4)) / 4)
    assert said["cost"]["forward_examples_forget"] == 0 and said["tuning"] is said["tuning_record"] is None
    retrains = [word for path in place.retrains for word in ("--retrain", path)]
    options = ("--config", place.config, "--candidate", made, "--original", place.original, *retrains)
    assert run("audit", *options, "--report", tmp_path / "report") in (0, 1, 3)
    method = read_report(tmp_path / "report").audits[0].method
    assert method is not None and method.name == "finetune"
    assert method.parameters["contrastive.weight"] == 0.5 and method.parameters["contrastive.views"] is None
    assert "contrastive.weight" in (tmp_path / "report" / "report.html").read_text()


def test_nested_parameters_are_flat_in_a_report() -> None:
    nested = {"rate": 1.0, "contrastive": {"weight": 0.5, "inner": {"x": None}}, "layers": ("a", "b"), "sizes": [1]}
    assert dict(flat_parameters(nested)) == {
        "rate": 1.0,
        "contrastive.weight": 0.5,
        "contrastive.inner.x": None,
        "layers": '["a", "b"]',
        "sizes": "[1]",
    }


def test_what_exists_is_only_overwritten_by_force(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, record = tmp_path / "c", tmp_path / "c.tuning.json"
    output.write_text("mine")
    assert place.unlearn("no_op", output) == 4 and output.read_text() == "mine"
    assert "expected no file there, got one; choose another output or give --force" in capsys.readouterr().err
    record.write_text("of another candidate")
    assert place.unlearn("no_op", output, "--force") == 0
    assert read_header(output).method == "no_op" and not record.exists()
    before = place.original.read_bytes()
    assert place.unlearn("no_op", place.original, "--force") == 4 and place.original.read_bytes() == before
    assert "another file than the checkpoint" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert place.unlearn("no_op", tmp_path / "folder", "--force") == 4
    (tmp_path / "file").write_text("mine")
    assert place.unlearn("no_op", tmp_path / "file" / "c") == 4
    said = capsys.readouterr().err
    assert "to be a folder, got a file" in said and "unlearning" not in said


@pytest.mark.parametrize(
    ("method", "more", "code", "words"),
    [
        ("magic", (), 2, "expected one of"),
        ("finetune", ("--set", "rate=-1"), 2, "finetune.rate: expected greater than 0, got -1"),
        ("finetune", ("--set", "rat=1"), 2, "finetune.rat: expected one of the keys"),
        ("finetune", ("--set", "rate=fast"), 2, "got 'fast'"),
        ("finetune", ("--set", "rate"), 2, "expected KEY=VALUE"),
        ("finetune", ("--trials", "3"), 2, "--trials goes with --tune"),
        ("finetune", ("--set", "rate=1e9"), 4, "diverged"),
        ("finetune", ("--ledger", "nowhere"), 4, "nowhere: expected the folder of a training ledger"),
        ("no_op", ("--tune",), 2, "expected a method with hyper-parameters to search"),
        ("unsir", (), 2, "unsir cannot forget by sample"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    method: str,
    more: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    assert place.unlearn(method, tmp_path / "c", *more) == code
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda toml: toml.replace("random = 100", "random = 101"),
            "trained on this split's forget and retain examples",
        ),
        (lambda toml: "seed = 1\n" + toml, "trained on other data"),
        (lambda toml: toml.replace("label_noise = 0.1", "label_noise = 0.2"), "trained on other data"),
    ],
)
def test_a_checkpoint_of_another_audit_is_refused(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], words: str
) -> None:
    (tmp_path / "other.toml").write_text(change(TOML))
    other = replace(place, config=tmp_path / "other.toml")
    assert other.unlearn("finetune", tmp_path / "c") == 4
    assert words in capsys.readouterr().err and not (tmp_path / "c").exists()


def test_only_an_original_is_taken(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(path: Path) -> str:
        assert replace(place, original=path).unlearn("finetune", tmp_path / "c") == 4
        assert not (tmp_path / "c").exists()
        return capsys.readouterr().err

    assert "a candidate that finetune made; give the original" in refused(place.finetune)
    assert "got a retrain, without its forget set" in refused(place.retrains[0])
    assert "found none" in refused(tmp_path / "missing")
    header = read_header(place.original)
    seven, wide = tmp_path / "seven", tmp_path / "wide"
    save_checkpoint(seven, build_classifier(header.recipe, header.shape, 7, 0), replace(header, classes=7))
    assert "a number of classes of 10, as digits has, got 7" in refused(seven)
    save_checkpoint(wide, build_classifier(header.recipe, (16, 16, 1), 10, 0), replace(header, shape=(16, 16, 1)))
    assert "images of shape (8, 8, 1)" in refused(wide)
    (tmp_path / "cut").write_bytes(place.original.read_bytes()[:500])
    assert "not a whole safetensors file" in refused(tmp_path / "cut")


def test_tuning_is_recorded_beside_the_candidate(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "c.safetensors"
    assert place.unlearn("finetune", output, "--tune", "--trials", 3, "--set", "share=0.5", "--seed", 3) == 0
    said = capsys.readouterr()
    assert "defaults" in said.out and "chosen" in said.out and "tuning finetune: 100 %" in said.err
    record = json.loads((tmp_path / "c.safetensors.tuning.json").read_text())
    header = read_header(output)
    assert record["candidate"] == digest_of(output) and len(record["trials"]) == 3
    assert header.parameters == record["trials"][record["chosen"]]["parameters"]
    assert header.seed == record["seed_of_candidate"] == 3 != record["seed"]
    assert record["given"] == {"share": 0.5} and set(record["space"]) == {"rate"}
    assert record["tolerance"] == 0.02  # margin_utility of the policy
    assert "blind search of 3 trials" in (header.cost or {})["notes"][-1]
    assert place.unlearn("finetune", output, "--tune", "--trials", 3, "--seed", 3, "--force", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tuning"]["method"] == "finetune"


def test_tuning_without_validation_examples_says_what_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.toml").write_text(TOML.replace("validation = 60", "validation = 0"))
    config, folder = read_config(tmp_path / "audit.toml"), Workspace(tmp_path)
    plan = plan_models(replace(config, retrains=replace(config.retrains, count=1)), tmp_path)
    train_missing(plan, folder, ignore)
    other = Place(tmp_path / "audit.toml", folder.model_path(plan.original), (), tmp_path)
    assert other.unlearn("finetune", tmp_path / "c", "--tune") == 4
    assert "set forget.validation" in capsys.readouterr().err


def test_classes_are_forgotten_and_tuned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = TOML.replace("random = 100, unseen = 300", "classes = [3], unseen = 60")
    (tmp_path / "audit.toml").write_text(toml)
    config, folder = read_config(tmp_path / "audit.toml"), Workspace(tmp_path)
    plan = plan_models(replace(config, retrains=replace(config.retrains, count=1)), tmp_path)
    train_missing(plan, folder, ignore)
    other = Place(tmp_path / "audit.toml", folder.model_path(plan.original), (), tmp_path)
    assert other.unlearn("neggrad_plus", tmp_path / "c", "--tune", "--trials", 2) == 0
    assert "accuracy on the forget set" in capsys.readouterr().out


def test_a_ledger_reaches_the_method(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, config = read_header(place.original), read_config(place.config)
    examples, split = config.load_data(tmp_path)
    trained_on = np.sort(np.concatenate([split.forget, split.retain]))
    writer = LedgerWriter(tmp_path / "ledger", split.forget)
    model = train(header.recipe, examples, trained_on, header.seed, torch.device("cpu"), ledger=writer)
    save_checkpoint(tmp_path / "original", model, header)
    with_ledger = replace(place, original=tmp_path / "original")
    assert with_ledger.unlearn("amnesiac", tmp_path / "c", "--ledger", tmp_path / "ledger") == 0
    assert "batches taken back" in capsys.readouterr().out
    assert with_ledger.unlearn("amnesiac", tmp_path / "d") == 4
    assert "ledger" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "ledger")


@pytest.mark.parametrize(
    ("pairs", "settings"),
    [
        ([], {}),
        (["rate=0.5"], {"rate": 0.5}),
        (["passes = 3", "normalise=false"], {"passes": 3, "normalise": False}),
        (["contrastive={weight=1.0, views='noise'}"], {"contrastive": {"weight": 1.0, "views": "noise"}}),
        (["contrastive.weight=1.0", "contrastive.noise=2"], {"contrastive": {"weight": 1.0, "noise": 2}}),
        (["bn=frozen", 'schedule="cosine"'], {"bn": "frozen", "schedule": "cosine"}),
        (["layers=[1, 2]", "first=conv1.weight"], {"layers": [1, 2], "first": "conv1.weight"}),
    ],
)
def test_settings_are_toml_or_bare_words(pairs: list[str], settings: dict[str, Any]) -> None:
    assert read_settings(pairs) == settings


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["rate"], "expected KEY=VALUE such as rate=0.5, got 'rate'"),
        (["=1"], "expected KEY=VALUE"),
        (["a b=1"], "expected KEY=VALUE"),
        (["rate="], "--set rate: expected a TOML value"),
        (["rate=[1"], "--set rate: expected a TOML value .* got '\\[1'"),
        (["rate=two words"], "--set rate: expected a TOML value"),
        (["rate=1\nshare=2"], "--set rate: expected a TOML value"),
        (["rate=1", "rate=2"], "expected each key once, got rate, rate"),
        (["a={b=1}", "a.b=2"], "expected each key once"),
    ],
)
def test_settings_that_cannot_be_read(pairs: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_settings(pairs)


def test_the_command_exists_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unlearn" in COMMANDS
    assert run("unlearn", "--help") == 0
    assert "KEY=VALUE" in capsys.readouterr().out
