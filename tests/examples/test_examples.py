"""The walk-throughs of ``examples/``: what each README shows is what is run, word for word."""

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.audit.outside_world import forget_module
from tests.command import Said, say

EXAMPLES = Path(__file__).parents[2] / "examples"
VERDICTS = {
    "pytorch": [1, None],
    "numpy-outputs": [None, 1],
    "scikit-learn": [None, 1],
    "onnx": [1],
    "erasure-request": [1],
}
"""Exit codes of the audits in order; None for a model without the forget set, which must not FAIL."""


def commands(readme: Path) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()]


AS_A_USER = "numpy-outputs"
"""The example whose commands are given to a shell; those of the others run in this process, which has torch already."""


def in_a_shell(command: str) -> Said:
    beside = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(EXAMPLES.parent),
    }
    done = subprocess.run(command, shell=True, env=beside, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def here(capsys: pytest.CaptureFixture[str], command: str) -> Said:
    """A command without shell syntax, as in a new process: its modules are imported anew."""
    program, *arguments = shlex.split(command)
    forget_module("project")
    if program == "vestige":
        return say(capsys, *arguments)
    assert program == "python"
    if arguments[0] == "-c":
        exec(compile(arguments[1], "<README>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(arguments[0], run_name="__main__")
    return Said(0, *capsys.readouterr())


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The examples set threads and extend the import path of what they take for their own process."""
    threads, path, state = torch.get_num_threads(), sys.path[:], torch.get_rng_state()
    yield monkeypatch
    forget_module("project")
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
    sys.path[:] = path


@pytest.mark.slow
@pytest.mark.parametrize("name", VERDICTS)
def test_the_commands_of_the_readme_run_and_end_as_it_says(
    name: str, tmp_path: Path, undisturbed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "onnx" and not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        pytest.skip("onnx and onnxruntime are not installed")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "examples" / name
    undisturbed.chdir(folder)
    undisturbed.syspath_prepend(folder)
    verdicts = []
    for command in commands(folder / "README.md"):
        said = in_a_shell(command) if name == AS_A_USER else here(capsys, command)
        assert "Traceback" not in said.err, said.err
        if not command.startswith("vestige audit"):
            assert said.code == 0, said.err
            continue
        verdicts.append(said.code)
        report = re.search(r"--report (\S+)", command)
        assert report is not None and (folder / report[1] / "report.html").is_file(), said.err
        assert said.out.startswith({0: "PASS", 1: "FAIL, ", 3: "INCONCLUSIVE, "}[said.code]), said.out
        if said.code == 1:
            assert "LEAK" in said.out.splitlines()[0]
    expected = VERDICTS[name]
    assert len(verdicts) == len(expected)
    for code, wanted in zip(verdicts, expected, strict=True):
        assert code == wanted if wanted is not None else code in (0, 3)
    if name == "erasure-request":
        exposed_ids = folder / "exposed_ids" / "candidate.csv"
        assert stat.S_IMODE(exposed_ids.stat().st_mode) == 0o600 and '"p0' in exposed_ids.read_text()


@pytest.mark.parametrize("name", VERDICTS)
def test_a_readme_is_one_screen(name: str) -> None:
    assert len((EXAMPLES / name / "README.md").read_text(encoding="utf-8").splitlines()) <= 45
