"""vestige plan from outputs and workspaces, and verdicts held to the plan that it wrote."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.test_cli import outputs, run
from vestige.audit.config.config import parse_config
from vestige.audit.models.workspace import Workspace
from vestige.audit.planning.plan_file import read_plan
from vestige.audit.results.json import read_report
from vestige.audit.results.setting import Setting

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 2, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {finetune = {}}
"""


def with_candidate(path: Path, target: Path, candidate: Any) -> Path:
    with np.load(path) as good:
        arrays = {name: good[name] for name in good.files if name != "candidate"}
    if candidate is not None:
        arrays["candidate"] = candidate(arrays["original"])
    np.savez(target, **arrays)
    return target


def test_the_candidate_of_an_outputs_file_changes_no_byte_of_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = outputs(tmp_path / "good.npz", forget=1000, unseen=5000, retrains=5)
    candidates = {
        "as it is": lambda original: original * 0.5,
        "a retrain": lambda original: np.load(good)["retrain"][1],
        "the original": lambda original: original,
        "not finite": lambda original: np.full_like(original, np.nan),
        "another shape": lambda original: original[:3],
        "missing": None,
    }
    printed, written = set(), set()
    for name, candidate in candidates.items():
        file = with_candidate(good, tmp_path / "file.npz", candidate)
        plan = tmp_path / f"{name}.json"
        assert run("plan", "--outputs", str(file), "--write", str(plan), "--json") == 0
        printed.add(capsys.readouterr().out)
        content = json.loads(plan.read_text())
        del content["created"], content["hash"]
        written.add(json.dumps(content))
    assert len(printed) == len(written) == 1
    content = json.loads(printed.pop())
    assert content["measured"]["grade"] == "B" and content["there"] == 5
    assert run("plan", "--outputs", str(good)) == 0
    text = capsys.readouterr().out
    assert "What more would buy" in text and "The original is caught by M" in text


def test_a_plan_of_probabilities_reads_no_candidate_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = outputs(tmp_path / "good.npz", forget=60, unseen=200, retrains=4)
    with np.load(good) as content:
        arrays = {name: content[name] for name in content.files if name != "candidate"}
    for name in ("retrain", "original"):
        powers = np.exp(arrays[name].astype(np.float64))
        arrays[name] = powers / powers.sum(axis=-1, keepdims=True)
    np.savez(tmp_path / "p.npz", **arrays)
    assert run("plan", "--outputs", str(tmp_path / "p.npz"), "--probabilities", "--json") == 0
    assert json.loads(capsys.readouterr().out)["there"] == 4
    assert run("plan", "--outputs", str(tmp_path / "p.npz")) == 4
    assert run("audit", "--outputs", str(tmp_path / "p.npz"), "--report", str(tmp_path / "r")) == 4
    assert "no candidate" in capsys.readouterr().err


def test_an_audit_under_its_plan_and_under_another_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = outputs(tmp_path / "model.npz", forget=200, unseen=1500, retrains=5)
    plan = tmp_path / "plan.json"
    assert run("plan", "--outputs", str(file), "--profile", "strict", "--write", str(plan)) == 0
    planned = read_plan(plan)
    audit = ("audit", "--outputs", str(file), "--plan", str(plan))
    capsys.readouterr()
    run(*audit, "--report", str(tmp_path / "kept"))
    assert f"note: AS_PLANNED: judged under the plan {planned.hash[:12]}" in capsys.readouterr().out
    kept = read_report(tmp_path / "kept")
    assert kept.policy.profile == "strict" and kept.audits[0].plan is not None and kept.audits[0].plan.kept
    assert read_plan(tmp_path / "kept" / f"plan-{planned.hash[:16]}.json") == planned
    assert kept.reproduce is not None and "--plan plan.json" in kept.reproduce
    page = (tmp_path / "kept" / "report.html").read_text()
    assert "judged under the plan" in page and "Not as planned" not in page
    run(*audit, "--profile", "standard", "--report", str(tmp_path / "changed"))
    note = "NOT_AS_PLANNED: not as planned"
    assert f"note: {note}" in (out := capsys.readouterr().out) and "margin_auc: 0.03 planned, 0.05 applied" in out
    changed = read_report(tmp_path / "changed")
    assert any(one.startswith(note) for one in changed.audits[0].verdict.notes)
    assert "<strong>Not as planned.</strong>" in (tmp_path / "changed" / "report.html").read_text()
    run(*audit, "--random", "--report", str(tmp_path / "declared"))
    assert "setting: chosen (default) planned, random (declared) applied" in capsys.readouterr().out
    other = outputs(tmp_path / "other.npz", forget=200, unseen=1501, retrains=5)
    assert run("audit", "--outputs", str(other), "--plan", str(plan), "--report", str(tmp_path / "x")) == 4
    assert "expected what it was made for (examples" in capsys.readouterr().err
    plan.write_text(plan.read_text().replace("0.03", "0.04"))
    assert run(*audit, "--report", str(tmp_path / "x")) == 4
    assert "it was edited after it was written" in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_a_plan_of_sizes_binds_policy_and_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, file = tmp_path / "plan.json", outputs(tmp_path / "model.npz", forget=50, unseen=200, retrains=4)
    sizes = ("plan", "--forget", "50", "--unseen", "200", "--retrains", "5", "--profile", "screening")
    assert run(*sizes, "--write", str(plan)) == 0
    out = capsys.readouterr().out
    assert "fixes policy, sizes;" in out and "strict" not in out
    assert run(*sizes, "--write", str(plan)) == 4
    assert run(*sizes, "--write", str(plan), "--force") == 0
    run("audit", "--outputs", str(file), "--plan", str(plan), "--report", str(tmp_path / "report"))
    report = read_report(tmp_path / "report")
    record = report.audits[0].plan
    assert report.policy.profile == "screening" and record is not None
    assert [one.words for one in record.differences] == ["retrains: 5 planned, 4 applied"]


def test_sizes_alone_are_planned_in_both_settings(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("plan", "--forget", "1000", "--unseen", "5000", "--retrains", "4", "--profile", "standard")
    assert run(*sizes) == 0
    out = capsys.readouterr().out
    assert (
        "The forget set is a random draw" in out and "The forget set was chosen (a seed adds 0.5 example errors)" in out
    )
    assert "standard: PASS of a perfect candidate likely (grade B at best)" in out
    assert "standard: PASS of a perfect candidate impossible (grade C at best); evidence of grade C" in out
    assert run(*sizes, "--seed-spread", "2", "--json") == 0
    random, chosen = json.loads(capsys.readouterr().out)["settings"]
    assert [random["setting"], chosen["setting"]] == ["random", "chosen"]
    assert [endpoint["name"] for endpoint in chosen["endpoints"]] == ["M", "S", "T"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one of AUDIT_FILE, --outputs FILE, or --forget"),
        (("a.toml", "--outputs", "b.npz"), "give one of"),
        (("--forget", "10", "--outputs", "b.npz"), "give one of"),
        (("--forget", "10"), "give all of --forget, --unseen and --retrains"),
        (("--outputs", "b.npz", "--workspace", "w"), "--workspace goes with AUDIT_FILE"),
        (("a.toml", "--probabilities"), "--probabilities goes with --outputs"),
        (("a.toml", "--force"), "--force goes with --write"),
        (("--forget", "9", "--unseen", "9", "--retrains", "9", "--random"), "sizes alone are planned in both settings"),
        (("a.toml", "--policy", "p", "--profile", "strict"), "not both"),
    ],
)
def test_what_does_not_go_together(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_from_an_audit_file_before_and_after_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, place = tmp_path / "a.toml", tmp_path / "w"
    file.write_text(TOML)
    early, late, there = tmp_path / "early.json", tmp_path / "late.json", ("--workspace", str(place))
    assert run("plan", str(file), *there, "--profile", "screening", "--write", str(early)) == 0
    out = capsys.readouterr().out
    assert "0 of 3 retrains and no original are there" in out and "vestige run a.toml --reference-only" in out
    assert not (place / "models").exists()
    assert run("run", str(file), *there, "--reference-only", "--plan", str(early)) == 2
    assert run("run", str(file), *there, "--reference-only") == 0
    models = sorted(path.name for path in (place / "models").iterdir())
    assert [name.split("-")[0] for name in models] == ["original", "retrain", "retrain", "retrain"]
    assert run("plan", str(file), *there, "--profile", "screening", "--write", str(late)) == 0
    assert "3 of 3 retrains and the original are there" in capsys.readouterr().out
    assert sorted(path.name for path in (place / "models").iterdir()) == models
    assert read_plan(early).bound == ("policy", "sizes", "examples")
    assert read_plan(late).bound == ("policy", "sizes", "setting", "examples", "original", "retrains")
    assert read_plan(late).setting == Setting("random", "known")
    preconditions = read_plan(late).preconditions
    assert preconditions is not None and preconditions.retrains == 3
    for plan in (early, late):
        run("run", str(file), *there, "--plan", str(plan))
        assert f"All judged under the plan {read_plan(plan).hash[:12]}" in capsys.readouterr().out
        report = read_report(place / "report")
        assert report.policy.profile == "screening"  # the file has no [policy]
        assert report.reproduce == f"vestige run a.toml --plan {plan.name}"
        assert {one.plan for one in report.audits} == {report.audits[0].plan}
    more = tmp_path / "more.toml"
    more.write_text(TOML.replace("count = 3", "count = 4") + 'policy = {profile = "standard"}\n')
    run("run", str(more), *there, "--plan", str(late))
    out = capsys.readouterr().out
    assert "margin_auc: 0.1 planned, 0.05 applied; retrains: 3 planned, 4 applied" in out
    other = tmp_path / "other.toml"
    other.write_text(TOML.replace("random = 100", "random = 101"))
    elsewhere = tmp_path / "elsewhere"
    assert run("run", str(other), "--workspace", str(elsewhere), "--plan", str(late)) == 4
    assert "expected what it was made for (split" in capsys.readouterr().err
    assert not (elsewhere / "models").exists()  # refused before anything was trained


def test_a_candidate_in_the_workspace_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, place = tmp_path / "a.toml", tmp_path / "w"
    file.write_text(TOML.replace("unlearners = {", "unlearners = {controls = false, "))
    assert run("run", str(file), "--workspace", str(place), "--reference-only") == 0
    capsys.readouterr()
    assert run("plan", str(file), "--workspace", str(place), "--json") == 0
    before = capsys.readouterr().out
    from vestige.audit.models.making import plan_models

    (_, key), *_ = plan_models(parse_config(tomllib.loads(file.read_text())), tmp_path).candidates
    Workspace(place).write_model(key, b"not a model")
    assert run("plan", str(file), "--workspace", str(place), "--json") == 0
    assert capsys.readouterr().out == before
