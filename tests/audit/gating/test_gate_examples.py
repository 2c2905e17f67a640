"""examples/ci: the script shows all three verdicts, the files follow the schemas of GitHub and GitLab, and the steps in
them run."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.audit.gating.conftest import run
from vestige.audit.policy import Policy

CI = Path(__file__).resolve().parents[3] / "examples" / "ci"
OUTCOMES = {"forgot": ("PASS", 0), "remembers": ("FAIL", 1), "undecided": ("INCONCLUSIVE", 3)}
pytestmark = pytest.mark.slow


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the runners do, with vestige on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def load(name: str) -> Any:
    return YAML(typ="safe").load((CI / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the script filled, and what it said."""
    folder = tmp_path_factory.mktemp("tried")
    done = subprocess.run(
        [sys.executable, str(CI / "try.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_the_script_shows_every_verdict_with_its_exit_code(tried: tuple[Path, str]) -> None:
    folder, said = tried
    assert said.rstrip().endswith("PASS, FAIL and INCONCLUSIVE end with 0, 1, 3.")
    for name, (outcome, code) in OUTCOMES.items():
        assert f"{outcome}: margins AUC 0.05, TPR 0.02 at FPR 0.01, labels 0.05; 1 candidate" in said
        assert f"exit code {code}" in said
        report = json.loads((folder / name / "report.json").read_text())
        assert [audit["verdict"]["outcome"] for audit in report["audits"]] == [outcome]
        assert {"junit.xml", "gate.md", "gate.sarif"} <= {path.name for path in (folder / name).iterdir()}


def test_the_real_reports_with_all_their_evidence(tried: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = tried
    for name, (_, code) in OUTCOMES.items():
        policy = str(CI / "policies" / "standard.toml")
        evidence = ("--evidence", str(folder / f"{name}.npz"), "--evidence", str(folder / name))
        assert run("gate", str(folder / name), "--policy", policy, *evidence) == code
        assert capsys.readouterr().out.count(": checked (") == 2


@pytest.mark.parametrize("name", ["strict", "standard", "screening"])
def test_the_policies_are_valid_and_what_they_are_called(name: str) -> None:
    policy = Policy.read(CI / "policies" / f"{name}.toml")
    assert policy.profile == name
    assert policy.inconclusive == ("warn" if name == "screening" else "fail")


@pytest.mark.parametrize(
    ("schema", "name", "options"),
    [
        ("github-workflows", "github-workflow.yml", ()),
        ("github-actions", "action/action.yml", ()),
        ("gitlab-ci", "gitlab-ci.yml", ("--data-transform", "gitlab-ci")),
    ],
)
def test_the_files_follow_the_published_schemas(
    schema: str, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    def check(path: Path) -> int:
        command = [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            f"vendor.{schema}",
            *options,
            str(path),
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert check(CI / name) == 0
    damaged = tmp_path / "damaged.yml"
    text = (CI / name).read_text(encoding="utf-8")
    for key in ("runs-on:", "composite", "artifacts:\n    when: always"):
        text = text.replace(key, "artifacts:\n    when: sometimes" if key.startswith("art") else "xxx")
    damaged.write_text(text, encoding="utf-8")
    assert check(damaged) == 1


def test_only_actions_of_github_itself_pinned_by_version() -> None:
    steps = load("github-workflow.yml")["jobs"]["gate"]["steps"] + load("action/action.yml")["runs"]["steps"]
    used = [step["uses"] for step in steps if "uses" in step]
    assert {action.split("@")[0] for action in used} == {
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    }
    assert all(action.split("@v")[1].count(".") == 2 for action in used)
    for step in steps:
        assert "${{" not in step.get("run", "")


@pytest.fixture
def job(tried: tuple[Path, str], tmp_path: Path) -> Path:
    """A folder as a job finds it: the policy, and outputs of each candidate beside the report on them."""
    (tmp_path / "policy.toml").write_bytes((CI / "policies" / "standard.toml").read_bytes())
    for name in OUTCOMES:
        (tmp_path / name).symlink_to(tried[0] / name)
        (tmp_path / f"{name}.npz").symlink_to(tried[0] / f"{name}.npz")
    return tmp_path


@pytest.mark.parametrize("name", ["forgot", "remembers"])
def test_the_steps_of_the_workflow(job: Path, name: str) -> None:
    steps = {step.get("name"): step for step in load("github-workflow.yml")["jobs"]["gate"]["steps"]}
    script = steps["Gate"]["run"].replace("report", name).replace("outputs.npz", f"{name}.npz")
    summary = job / "summary.md"
    done = bash(script, job, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == OUTCOMES[name][1], done.stderr
    assert summary.read_text().startswith(f"## {OUTCOMES[name][0]}") and (job / "gate" / "results.sarif").is_file()


def test_the_audit_step_leaves_the_verdict_to_the_gate_but_not_an_error(job: Path) -> None:
    steps = {step.get("name"): step for step in load("github-workflow.yml")["jobs"]["gate"]["steps"]}
    (job / "outputs.npz").symlink_to(job / "remembers.npz")
    assert bash(steps["Audit"]["run"], job).returncode == 0 and (job / "report" / "report.json").is_file()
    (job / "outputs.npz").unlink()
    assert bash(steps["Audit"]["run"], job).returncode == 4


def test_the_step_of_the_action(job: Path) -> None:
    gate = load("action/action.yml")["runs"]["steps"][1]
    given = {
        "REPORTS": "forgot\nundecided\n",
        "POLICY": "policy.toml",
        "EVIDENCE": "forgot.npz\n",
        "GITHUB_STEP_SUMMARY": str(job / "summary.md"),
    }
    assert set(gate["env"]) == {"REPORTS", "POLICY", "EVIDENCE", "INCONCLUSIVE"}
    done = bash(gate["run"], job, INCONCLUSIVE="", **given)
    assert done.returncode == 3 and done.stdout.startswith("INCONCLUSIVE"), done.stderr
    assert bash(gate["run"], job, INCONCLUSIVE="warn", **given).returncode == 0
    hostile = {**given, "REPORTS": "$(touch pwned)\n; touch pwned\n--help"}
    assert bash(gate["run"], job, INCONCLUSIVE="", **hostile).returncode == 4
    assert not (job / "pwned").exists()


def test_the_action_installs_the_repository_it_came_with() -> None:
    install = load("action/action.yml")["runs"]["steps"][0]["run"]
    root = (CI / "action" / "../../..").resolve()
    assert install.endswith('"$GITHUB_ACTION_PATH/../../.."') and (root / "pyproject.toml").is_file()


def test_the_script_of_the_gitlab_job(job: Path) -> None:
    script = load("gitlab-ci.yml")["unlearning-gate"]["script"]
    (job / "outputs.npz").symlink_to(job / "undecided.npz")
    done = bash("\n".join(line for line in script if "pip install" not in line), job)
    assert done.returncode == 3, done.stderr
    assert (job / "junit.xml").is_file() and (job / "gate.md").is_file()


def test_the_hook(job: Path) -> None:
    (hook,) = load("pre-commit-config.yaml")["repos"][0]["hooks"]
    assert hook["language"] == "system"
    entry = shlex.join([*shlex.split(hook["entry"]), "forgot/report.json", "remembers/report.json"])
    assert bash(entry, job).returncode == 1
