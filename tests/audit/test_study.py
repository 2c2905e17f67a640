import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import make_examples
from vestige.audit.cli.entry import main
from vestige.audit.config.config import read_config
from vestige.audit.files.markdown import BEGIN, END, notes_of
from vestige.audit.models.making import plan_models, unlearn_missing
from vestige.audit.models.workspace import Workspace
from vestige.audit.studies.measures import Measures, held_out_rows
from vestige.audit.studies.records import (
    CandidateVerdict,
    LiteratureNumbers,
    SeedRecord,
    SettingRecord,
    Spread,
    summarise,
)
from vestige.audit.studies.study import run_study
from vestige.audit.workflows.run import run_audit
from vestige.learners.data.split import Split, split_classes, split_random
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.checkpoints import load_checkpoint
from vestige.learners.training.inference import predict_logits

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 4, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
policy = {profile = "screening", min_evidence = "C"}
[unlearners]
finetune = {}
longer = {method = "finetune", share = 1.0}
explodes = {method = "finetune", rate = 1e20}
"""


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["study", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two seeds."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(TOML)
    options = ("--workspace", str(folder / "ws"), "--page", str(folder / "page.md"), "--title", "Small")
    assert command(str(folder / "small.toml"), "--seeds", "2", *options) == 0
    return folder


@pytest.fixture
def study(done: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(done, tmp_path / "copy"))


def again(folder: Path, *, seeds: int = 2) -> str:
    command(
        str(folder / "small.toml"), "--seeds", str(seeds), "--workspace", str(folder / "ws"),
        "--page", str(folder / "page.md"), "--title", "Small",
    )  # fmt: skip
    return (folder / "page.md").read_text()


def numbers(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "ws" / "study-page.json").read_text())
    return content


def row(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_of_a_study(done: Path) -> None:
    page = (done / "page.md").read_text()
    assert page.startswith(
        "# Small\n\n```\nvestige study small.toml --seeds 2 --workspace ws --page page.md --title Small"
    )
    table = [line for line in page.splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in table]
    at = names.index("**Retrain**")
    assert names[at : at + 6] == [
        "**Retrain**",
        "original (`no_op`)",
        "floor (`fresh_retrain`)",
        "`explodes`",
        "`finetune`",
        "`longer`",
    ]
    assert str(done) not in page
    assert row(page, "`longer` | `finetune` |")[-1].count("*") == 1  # share was given, the rest is the method's


def test_a_refusal_is_shown_and_does_not_stop_the_others(done: Path) -> None:
    page = (done / "page.md").read_text()
    assert row(page, "`explodes` | -")[7] == "refused 2/2"
    assert "- `explodes`, seeds 0, 1: refused: " in page
    refused = numbers(done)["settings"][0]["seeds"][1]["candidates"][4]
    assert refused["name"] == "explodes" and refused["judged"] is None and "expected" in refused["refusal"]
    config = read_config(done / "small.toml", seed=0)
    place = Workspace(done / "ws" / "small" / "seed-0")
    with pytest.raises(DataError):
        run_audit(config, place)
    stages: list[str] = []
    plan = plan_models(config, done)
    refusals = unlearn_missing(plan, place, lambda stage, *_: stages.append(stage), tolerate=True)
    assert list(refusals) == ["explodes"] and stages == []  # known from before, and not tried again


def test_the_workspace_is_that_of_vestige_run(done: Path) -> None:
    config = read_config(done / "small.toml", seed=1)
    judged = tuple(spec for spec in config.candidates if spec.name != "explodes")
    stages: list[str] = []
    place = Workspace(done / "ws" / "small" / "seed-1")
    report = run_audit(replace(config, candidates=judged), place, watch=lambda stage, *_: stages.append(stage))
    assert not any(stage.startswith(("training", "making")) for stage in stages)
    ours = {one["name"]: one["judged"] for one in numbers(done)["settings"][0]["seeds"][1]["candidates"]}
    for audit in report.audits:
        found = ours[audit.candidate]
        assert (found["outcome"], tuple(found["reasons"])) == (audit.verdict.outcome, audit.verdict.codes)
        assert found["gaps"] == {one.label: one.gap for one in audit.endpoints} and found["weights"] == audit.weights


def test_the_numbers_are_those_of_the_models(done: Path) -> None:
    setting = numbers(done)["settings"][0]
    config = read_config(done / "small.toml", seed=0)
    plan = plan_models(config, done)
    place = Workspace(done / "ws" / "small" / "seed-0")
    key = next(key for spec, key in plan.candidates if spec.name == "finetune")
    model, _ = load_checkpoint(place.model_path(key), torch.device("cpu"))

    def right(rows: Any) -> float:
        logits = predict_logits(model, plan.examples, rows, torch.device("cpu"))
        return 100 * float((logits.argmax(1) == plan.examples.labels[rows]).mean())

    measured = next(one for one in setting["seeds"][0]["candidates"] if one["name"] == "finetune")["measured"]
    assert measured["retain_accuracy"] == pytest.approx(right(plan.split.retain))
    assert measured["unlearn_accuracy"] == pytest.approx(100 - right(plan.split.forget))
    assert measured["test_accuracy"] == pytest.approx(right(plan.split.unseen))  # digits have no test part
    assert 0 <= measured["mia_efficacy_svc_confidence"] <= 100

    keys = ("retain_accuracy", "unlearn_accuracy", "test_accuracy", "mia_efficacy_svc_confidence")
    retrains = np.array([[[one[k] for k in keys] for one in seed["retrains"]] for seed in setting["seeds"]])
    rows = [one for seed in setting["seeds"] for one in seed["candidates"] if one["name"] == "finetune"]
    ours = np.array([[one["measured"][k] for k in keys] for one in rows])
    gap = np.abs(ours.mean(0) - retrains.mean((0, 1))).mean()
    cells = row((done / "page.md").read_text(), "`finetune`")
    assert cells[5] == f"{gap:.2f}"
    assert cells[1] == f"{ours[:, 0].mean():.2f} ± {ours[:, 0].std(ddof=1):.2f}"
    reference = row((done / "page.md").read_text(), "**Retrain**")
    pooled = retrains.reshape(-1, 4)
    assert reference[4] == f"{pooled[:, 3].mean():.2f} ± {pooled[:, 3].std(ddof=1):.2f}"


def test_the_same_workspace_gives_the_same_bytes_and_nothing_is_measured_again(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, content = (study / "page.md").read_bytes(), numbers(study)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("vestige.audit.studies.measures.outputs_of", never)
    assert again(study).encode() == page and numbers(study) == content


def test_measuring_again_gives_the_same(study: Path) -> None:
    page = (study / "page.md").read_text()
    for seed in (0, 1):
        shutil.rmtree(study / "ws" / "small" / f"seed-{seed}" / "measured")
    assert again(study) == page


def test_retain_accuracy_is_over_all_retain_examples(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (study / "page.md").read_text()
    monkeypatch.setattr("vestige.audit.models.outputs.RETAIN_ROWS", 40)
    fewer = again(study)
    assert row(fewer, "`finetune`")[1:6] == row(page, "`finetune`")[1:6]


def test_hand_written_notes_are_kept(study: Path) -> None:
    page = (study / "page.md").read_text()
    noted = page.replace(f"{BEGIN}\n{END}", f"{BEGIN}\n\nIt does *worse* than its paper | says.\n\n{END}")
    (study / "page.md").write_text(noted)
    assert noted != page and again(study) == noted


def test_a_file_that_is_no_page_of_a_study_is_not_overwritten(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notes_of(tmp_path / "none.md") == "\n"
    for text in ("mine", f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN}"):
        (tmp_path / "mine.md").write_text(text)
        options = ("--workspace", str(tmp_path / "ws"), "--page", str(tmp_path / "mine.md"))
        assert command(str(done / "small.toml"), *options) == 4
        assert "in a page of results" in capsys.readouterr().err
        assert (tmp_path / "mine.md").read_text() == text and not (tmp_path / "ws").exists()
    (tmp_path / "mine.md").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="expected a page of results in UTF-8"):
        notes_of(tmp_path / "mine.md")


def test_what_cannot_be_written_or_measured_is_told_before_anything_is_trained(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, workspace = str(done / "small.toml"), ("--workspace", str(tmp_path / "ws"))
    assert command(small, *workspace, "--page", str(done / "small.toml" / "page.md")) == 4
    assert "to be a folder, got a file" in capsys.readouterr().err
    classes = TOML.replace("random = 100, unseen = 300, validation = 50", "classes = [3], unseen = 60")
    (tmp_path / "classes.toml").write_text(classes)
    assert command(small, str(tmp_path / "classes.toml"), *workspace, "--page", str(tmp_path / "page.md")) == 4
    assert "set forget.validation" in capsys.readouterr().err and not (tmp_path / "ws").exists()


def test_an_original_is_measured_anew_where_another_part_of_its_data_is_to_be_forgotten(study: Path) -> None:
    plan = plan_models(read_config(study / "small.toml", seed=0), study)
    forget, retain = np.split(plan.train, [300])
    other = replace(plan, split=replace(plan.split, forget=forget, retain=retain))
    place = Workspace(study / "ws" / "small" / "seed-0")
    ours, theirs = (Measures(one, place).measured(plan.original) for one in (plan, other))
    assert ours.test_accuracy == theirs.test_accuracy and ours.retain_accuracy != theirs.retain_accuracy


def test_a_damaged_record_is_refused(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = next((study / "ws" / "small" / "seed-0" / "measured").iterdir())
    record.write_bytes(record.read_bytes()[:20])
    page = (study / "page.md").read_text()
    assert again(study) == page and "not a whole record" in capsys.readouterr().err
    record.unlink()
    again(study)
    assert "Error" not in capsys.readouterr().err
    refusal = next((study / "ws" / "small" / "seed-0" / "refusals").iterdir())
    refusal.write_text("{}")
    again(study)
    assert "expected a refusal" in capsys.readouterr().err


def test_more_seeds_keep_what_exists(study: Path) -> None:
    before = numbers(study)["settings"][0]["seeds"]
    again(study, seeds=3)
    after = numbers(study)["settings"][0]["seeds"]
    assert len(after) == 3 and after[:2] == before


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="different names"):
        run_study(
            [tmp_path / "a.toml", tmp_path / "b" / "a.toml"],
            seeds=1,
            workspace=tmp_path,
            page=tmp_path / "p.md",
            title="",
            command="",
        )


def test_test_accuracy_is_on_the_remaining_classes_where_a_class_is_forgotten() -> None:
    examples = make_examples(200, test_share=0.3)

    def rows(split: Split) -> Any:
        return held_out_rows(SimpleNamespace(examples=examples, split=split))  # type: ignore[arg-type]

    test = np.flatnonzero(examples.test_part)
    assert np.array_equal(rows(split_random(examples, forget=20, unseen=10, seed=0)), test)
    found = rows(split_classes(examples, classes=[1], unseen=None, seed=0))
    assert np.array_equal(found, test[examples.labels[test] != 1])
    examples = make_examples(200)
    split = split_random(examples, forget=20, unseen=10, seed=0)
    assert np.array_equal(rows(split), split.unseen)
    split = split_classes(examples, classes=[1], unseen=10, validation=15, seed=0)
    assert np.array_equal(rows(split), split.validation) and 1 not in examples.labels[rows(split)]
    with pytest.raises(DataError, match="set forget.validation"):
        rows(split_classes(examples, classes=[1], unseen=10, seed=0))


def judged(outcome: str, reasons: tuple[str, ...], **more: Any) -> CandidateVerdict:
    about = {"grade": "B", "gaps": {"M": None}, "utility": {}, "weights": None, "parameters": {}, "stop": None}
    spent = {"flops": 2e15, "share_of_retrain": 0.5, "seconds": 3.0}
    return CandidateVerdict(outcome=outcome, reasons=reasons, **(about | spent | more))


def test_verdicts_are_counted_with_their_first_reasons_and_a_missing_a2_is_said() -> None:
    from vestige.audit.studies.page import _results
    from vestige.audit.studies.records import CandidateRecord

    model = LiteratureNumbers(90.0, 10.0, 80.0, 20.0, 1000)
    ends = [judged("FAIL", ("LEAK", "TAIL")), judged("PASS", ()), judged("FAIL", ("UTILITY",)), None]
    seeds = tuple(
        SeedRecord(
            seed=number,
            split="",
            counts={"retain": 10},
            original=model,
            retrains=(model, replace(model, retain_accuracy=40.0 if end is None else 92.0)),
            candidates=(
                CandidateRecord("a", "a", {}, None if end is None else model, end, "no" if end is None else None),
            ),
            problems=(),
        )
        for number, end in enumerate(ends)
    )
    setting = SettingRecord("x.toml", "sample", "made", 2, (1, 1, 1), {"epochs": 2}, {}, "cpu", seeds)
    cells = row(_results(setting), "`a`")
    assert cells[1:] == [
        "90.00 ± 0.00",
        "10.00 ± 0.00",
        "80.00 ± 0.00",
        "20.00 ± 0.00",
        "0.25",
        "not estimable",
        "FAIL 2/4 (LEAK, UTILITY), PASS 1/4, refused 1/4",
        "2",
        "0.5",
        "3.0",
    ]
    assert row(_results(setting), "original")[1] == "90.00 ± 0.00"  # without the control no_op
    assert Spread.of([1.0, 3.0]) == Spread(2.0, 2**0.5) and Spread.of([1.0]).deviation is None
    only_refused = replace(setting, seeds=seeds[3:])
    assert summarise(only_refused, "a") is None
