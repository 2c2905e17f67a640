import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from vestige.audit.cli import console
from vestige.audit.cli.entry import main, run_command
from vestige.audit.cli.finish import exit_code
from vestige.audit.cli.main import COMMANDS, cli
from vestige.audit.results.json import read_report
from vestige.audit.results.report import Method, Report
from vestige.learners.errors import DataError

CLASSES = 4


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def outputs(path: Path, *, leak: float = 0.0, retrains: int = 8, forget: int = 1000, unseen: int = 5000) -> Path:
    """Outputs of models that know each example equally well, except that original (by 3) and candidate (by ``leak``)
    remember the forget set."""
    random = np.random.default_rng(0)
    role = np.repeat(["forget", "unseen", "retain"], [forget, unseen, 200])
    labels = random.integers(0, CLASSES, len(role))
    truth = np.eye(CLASSES)[labels]

    def model(shift: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        strength = 4 + shift * (role == "forget") + 4 * (role == "retain")
        noise = random.normal(0, 1, (len(role), CLASSES))
        return np.asarray(truth * strength[:, None] + noise + difficulty, np.float32)

    difficulty = random.normal(0, 0.5, (len(role), CLASSES))
    arrays: dict[str, Any] = {"labels": labels, "role": role, "candidate": model(leak), "original": model(3.0)}
    np.savez(path, retrain=np.stack([model(0.0) for _ in range(retrains)]), **arrays)
    return path


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


def test_rp_04_exit_codes_of_the_verdicts(tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = outputs(tmp_path / "clean.npz")
    assert run("audit", "--outputs", str(clean), "--report", str(report), "--profile", "screening") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("PASS: within the margins (AUC 0.1, ") and "of 8 retrains on memory" in first
    leaking = outputs(tmp_path / "leaking.npz", leak=3.0)
    assert run("audit", "--outputs", str(leaking), "--report", str(report / "2")) == 1
    assert capsys.readouterr().out.startswith("FAIL, LEAK")
    few = outputs(tmp_path / "few.npz", retrains=1)
    assert run("audit", "--outputs", str(few), "--report", str(report / "3")) == 3
    assert capsys.readouterr().out.startswith("INCONCLUSIVE, EVIDENCE: PASS needs at least 3 retrains")
    warn = ("audit", "--outputs", str(few), "--report", str(report / "3"), "--inconclusive", "warn")
    assert run(*warn) == 0
    assert capsys.readouterr().out.startswith("INCONCLUSIVE")


def test_ways_to_declare_the_setting(tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = str(outputs(tmp_path / "few.npz", retrains=1))

    def setting(*options: str) -> Any:
        assert run("audit", "--outputs", few, "--report", str(report), *options) in (0, 1, 3)
        first = capsys.readouterr().out.splitlines()[0]
        found = read_report(report).audits[0].setting
        assert ("a random draw (declared)" in first) == found.random
        return found.words

    assert setting() == "chosen (default)"
    assert setting("--random") == setting("--setting", "random") == setting("--exchangeable") == "random (declared)"
    assert setting("--setting", "chosen") == "chosen (declared)"
    assert run("audit", "--outputs", few, "--report", str(report), "--random", "--setting", "class") == 2
    assert "either --random or --setting class, not both" in capsys.readouterr().err
    assert run("audit", "--help") == 0
    text = capsys.readouterr().out
    assert "--random" in text and "--setting" in text and "--exchangeable" not in text


def test_the_table_of_a_candidate_fits_80_columns(
    tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("audit", "--outputs", str(outputs(tmp_path / "o.npz", leak=3.0)), "--report", str(report), "--random")
    capsys.readouterr()
    audit = read_report(report).audits[0]
    monkeypatch.setattr(console, "PLAIN_WIDTH", 80)
    console.Screen().print(console.endpoints_table(audit))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in "".join(lines)
    memory = next(line for line in lines if line.startswith("M memory"))
    gap, interval = audit.endpoints[0].gap, audit.endpoints[0].interval
    assert interval is not None
    shown = f"*0.500 {gap:+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}] 0.050 outside"
    assert " ".join(memory.split()[3:]) == shown


def test_the_report_of_an_outputs_file(tmp_path: Path, report: Path) -> None:
    run("audit", "--outputs", str(outputs(tmp_path / "model.npz")), "--report", str(report))
    written = read_report(report)
    assert isinstance(written, Report) and written.audits[0].candidate == "model"
    first, *rest = sorted(path.name for path in report.iterdir())
    assert first.startswith("registration-") and rest == ["report.html", "report.json"]
    assert written.reproduce == "vestige audit --outputs model.npz --report report"
    page = report / "again.html"
    assert run("report", str(report), "--html", str(page), "--figures", str(tmp_path / "figures")) == 0
    assert page.read_bytes() == (report / "report.html").read_bytes()
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "gaps.pdf",
        "gaps.png",
        "roc.pdf",
        "roc.png",
    ]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda a: a.pop("labels"), "labels"),
        (lambda a: a.update(candidate=a["candidate"][:-1]), "expected shape [8, 349, 4], got [8, 350, 4]"),
        (lambda a: a.update(candidate=a["candidate"][:, :-1]), "expected shape [8, 350, 3], got [8, 350, 4]"),
        (lambda a: a["candidate"].__setitem__((0, 0), np.nan), "candidate"),
        (lambda a: a["retrain"].__setitem__((0, 0, 0), np.inf), "retrain"),
        (lambda a: a.update(labels=a["labels"] + 9), "labels"),
        (lambda a: a.update(role=np.where(a["role"] == "unseen", "retain", a["role"])), "unseen"),
        (lambda a: a.update(role=np.where(a["role"] == "unseen", "test", a["role"])), "role"),
    ],
)
def test_bad_outputs_get_one_sentence_and_exit_code_4(
    tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str], damage: Any, words: str
) -> None:
    good = np.load(outputs(tmp_path / "o.npz", forget=50, unseen=100))
    arrays = {name: good[name].copy() for name in good.files}
    good.close()
    damage(arrays)
    np.savez(tmp_path / "bad.npz", **arrays)
    assert run("audit", "--outputs", str(tmp_path / "bad.npz"), "--report", str(report)) == 4
    said = capsys.readouterr()
    assert said.err.startswith("Error: ") and said.err.count("\n") == 1 and words in said.err
    assert "Traceback" not in said.err and said.out == "" and not report.exists()


def test_hostile_outputs_files(tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = outputs(tmp_path / "good.npz", forget=50, unseen=100).read_bytes()
    (tmp_path / "cut.npz").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.npz").write_text("not a zip")
    np.savez(tmp_path / "objects.npz", labels=np.array([print], object))
    for name in ("cut", "text", "objects", "missing"):
        assert run("audit", "--outputs", str(tmp_path / f"{name}.npz"), "--report", str(report)) == 4
        assert capsys.readouterr().err.count("\n") == 1


def test_a_forget_set_of_three_and_identical_retrains_are_inconclusive(
    tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three = outputs(tmp_path / "three.npz", forget=3)
    assert run("audit", "--outputs", str(three), "--report", str(report / "a")) == 3
    capsys.readouterr()
    arrays = dict(np.load(outputs(tmp_path / "o.npz")))
    arrays["retrain"] = np.repeat(arrays["retrain"][:1], 5, axis=0)
    np.savez(tmp_path / "same.npz", **arrays)
    assert run("audit", "--outputs", str(tmp_path / "same.npz"), "--report", str(report / "b")) == 3
    assert "INCONCLUSIVE, REFERENCE" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("conjure",),
        ("audit", "--report", "r"),
        ("audit", "--outputs", "a", "--candidate", "b", "--report", "r"),
        ("audit", "--outputs", "a", "--report", "r", "--profile", "lax"),
        ("audit", "--outputs", "a", "--report", "r", "--profile", "strict", "--policy", "p"),
        ("plan", "--forget", "ten", "--unseen", "1", "--retrains", "1"),
        ("plan", "--forget", "100", "--unseen", "1", "--retrains", "5"),
        ("methods", "magic"),
        ("attacks", "magic"),
        ("demo", "--seed", "-1"),
    ],
)
def test_usage_errors_exit_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_a_bad_key_in_the_audit_file_exits_with_2_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audit.toml").write_text("[data]\nsource = 'digits'\nshade = 1\n[forget]\nrandom = 3\n")
    assert run("run", "audit.toml") == 2
    assert capsys.readouterr().err.startswith("Error: data.shade: expected one of the keys")
    assert [path.name for path in tmp_path.iterdir()] == ["audit.toml"]
    assert run("run", "missing.toml") == 4


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("a sentence"), 4, "Error: a sentence"),
        (click.ClickException("odd"), 4, "Error: odd"),
        (click.Abort(), 4, "interrupted"),
        (KeyboardInterrupt(), 4, "interrupted"),
        (FileNotFoundError(2, "No such file", "x.npz"), 4, "x.npz: No such file"),
        (OSError(28, "No space left on device"), 4, "No space left"),
        (MemoryError(), 4, "not enough memory"),
        (ZeroDivisionError("boom"), 4, "internal error (ZeroDivisionError: boom)"),
        (click.UsageError("wrong"), 2, "wrong"),
    ],
)
def test_rp_05_no_crash_can_look_like_a_verdict(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(lambda: broken, [])
    said = capsys.readouterr().err
    assert ended.value.code == code and words in said and "Traceback" not in said


def test_a_broken_pipe_exits_with_4() -> None:
    code = "from vestige.audit.cli.entry import main; main(['attacks', '--json'])"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == 4 and b"Traceback" not in done.stderr


def test_listings_are_the_registries(capsys: pytest.CaptureFixture[str]) -> None:
    from vestige.attacks.registry.attacks import ATTACKS
    from vestige.attacks.registry.numbers import NUMBERS
    from vestige.attacks.signals.signals import SIGNALS
    from vestige.unlearners.core.registry import names

    assert run("methods", "--json") == 0
    methods = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in methods] == list(names())
    assert all(one["citation"] and one["description"] for one in methods)
    beta = next(p for one in methods if one["name"] == "neggrad_plus" for p in one["parameters"] if p["name"] == "beta")
    assert beta["accepts"] == "number >= 0, <= 1"
    assert run("attacks", "--json") == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)} == {*ATTACKS, *NUMBERS, *SIGNALS}
    assert run("methods", "finetune") == 0 and "CE(f, D_r)" in capsys.readouterr().out


def test_init_writes_a_file_that_run_understands_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.toml"
    assert run("init", str(path)) == 0
    assert "data" in tomllib.loads(path.read_text())
    path.write_text("mine")
    assert run("init", str(path)) == 4 and path.read_text() == "mine"
    assert run("init", str(path), "--force") == 0 and path.read_text() != "mine"


def test_plan_prints_and_answers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--forget", "200", "--unseen", "400", "--retrains", "3")
    assert run("plan", *sizes) == 0
    assert "80 %" in capsys.readouterr().out
    assert run("plan", *sizes, "--json") == 0
    assert json.loads(capsys.readouterr().out)["forget"] == 200


def test_every_command_of_the_design_that_exists_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("demo", "init", "run", "audit", "unlearn", "study", "plan", "methods", "attacks", "report"):
        assert name in COMMANDS
        assert run(name, "--help") == 0
        assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name
    assert command.get_short_help_str(limit=1000) == COMMANDS[name].short_help


def test_a_closed_pipe_leaves_the_report_whole(tmp_path: Path, report: Path) -> None:
    arguments = ["audit", "--outputs", str(outputs(tmp_path / "o.npz", forget=50, unseen=100)), "--report", str(report)]
    reader, writer = os.pipe()
    os.close(reader)
    code = f"from vestige.audit.cli.entry import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == 4 and read_report(report).audits[0].candidate == "o"


def test_an_import_that_fails_does_not_look_like_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> click.Command:
        raise ImportError("no module named torch")

    with pytest.raises(SystemExit) as ended:
        run_command(load, [])
    assert ended.value.code == 4 and "no module named torch" in capsys.readouterr().err


def test_a_policy_file_and_the_options_are_repeated_in_the_report(
    tmp_path: Path, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("profile = 'screening'\nmin_evidence = 'C'\n")
    one = outputs(tmp_path / "o.npz")
    options = ("--outputs", str(one), "--report", str(report), "--policy", str(policy), "--name", "mine")
    assert run("audit", *options) == 0
    written = read_report(report)
    assert written.policy.profile == "screening" and written.audits[0].candidate == "mine"
    assert written.reproduce == "vestige audit --outputs o.npz --report report --policy policy.toml --name mine"
    assert run("audit", "--outputs", str(one), "--report", str(report), "--profile", "strict") in (0, 3)
    assert read_report(report).policy.changed
    checkpoints = ("--config", "a", "--candidate", "c", "--original", "o", "--retrain", "r")
    assert run("audit", *checkpoints, "--report", "x", "--probabilities") == 2
    own = ("--config", "a", "--candidate", "c.safetensors", "--original", "o", "--retrain", "r", "--report", "x")
    assert run("audit", *own, "--batch-size", "8") == 2
    assert "--batch-size goes with models made elsewhere" in capsys.readouterr().err


TINY = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 3, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {retrain = {}, finetune = {}}
policy = {profile = "screening", min_evidence = "C"}
"""


def test_run_from_a_file_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    code = run("run", "tiny.toml")
    written = read_report(Path("vestige-tiny/report"))
    assert code == exit_code(written) and code in (0, 1, 3)
    assert [audit.candidate for audit in written.audits] == ["no_op", "fresh_retrain", "retrain", "finetune"]
    assert "finetune" in capsys.readouterr().out
    models = sorted(Path("vestige-tiny/models").iterdir())
    original, retrains = (
        [str(path) for path in models if path.name.startswith(role)] for role in ("original", "retrain")
    )
    candidate = next(str(path) for path in models if path.name.startswith("candidate"))
    options = [word for path in retrains for word in ("--retrain", path)]
    arguments = ("--config", "tiny.toml", "--candidate", candidate, "--original", original[0], *options)
    assert run("audit", *arguments, "--report", "single") in (0, 1, 3)
    assert read_report(Path("single")).data.split == written.data.split
    Path("tiny.toml").write_text(TINY.replace("epochs = 3", "epochs = 4"))
    assert run("audit", *arguments, "--report", "other") == 4
    assert "trained by another recipe" in capsys.readouterr().err


def test_controls_do_not_decide_the_exit_code_of_a_run(tmp_path: Path, report: Path) -> None:
    run("audit", "--outputs", str(outputs(tmp_path / "o.npz", forget=50, unseen=100)), "--report", str(report))
    one = read_report(report)
    audit = one.audits[0]

    def judged(name: str, outcome: Any) -> Any:
        verdict = replace(audit.verdict, outcome=outcome)
        return replace(audit, candidate=name, method=Method(name, {}), verdict=verdict)

    def code(*audits: Any, warn: str | None = None) -> int:
        return exit_code(replace(one, audits=audits), warn)

    no_op, fresh = judged("no_op", "FAIL"), judged("fresh_retrain", "INCONCLUSIVE")
    assert code(no_op, fresh, judged("finetune", "PASS")) == 0
    assert code(no_op, fresh, judged("finetune", "PASS"), judged("retrain", "INCONCLUSIVE")) == 3
    assert code(no_op, fresh, judged("finetune", "INCONCLUSIVE"), warn="warn") == 0
    assert code(no_op, judged("finetune", "FAIL"), judged("retrain", "INCONCLUSIVE")) == 1
    assert code(no_op, fresh) == 1  # nothing but controls


def test_the_demo_is_loud_when_a_control_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("audit", "--outputs", str(outputs(tmp_path / "o.npz", forget=50, unseen=100)), "--report", str(tmp_path / "r"))
    monkeypatch.setattr("vestige.audit.workflows.demo.run_demo", lambda *_, **__: read_report(tmp_path / "r"))
    assert run("demo", "--workspace", str(tmp_path / "demo")) == 4
    assert "THE CONTROLS ARE WRONG: the control no_op must FAIL" in capsys.readouterr().err
