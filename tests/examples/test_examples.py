"""The walk-throughs of ``examples/``: what each README shows is what is run, word for word."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

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


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    beside = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(EXAMPLES.parent),
    }
    return subprocess.run(command, shell=True, cwd=folder, env=beside, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERDICTS)
def test_the_commands_of_the_readme_run_and_end_as_it_says(name: str, tmp_path: Path) -> None:
    if name == "onnx" and not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        pytest.skip("onnx and onnxruntime are not installed")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "examples" / name
    verdicts = []
    for command in commands(folder / "README.md"):
        done = run(command, folder)
        assert "Traceback" not in done.stderr, done.stderr
        if not command.startswith("vestige audit"):
            assert done.returncode == 0, done.stderr
            continue
        verdicts.append(done.returncode)
        report = re.search(r"--report (\S+)", command)
        assert report is not None and (folder / report[1] / "report.html").is_file(), done.stderr
        assert done.stdout.startswith({0: "PASS", 1: "FAIL (", 3: "INCONCLUSIVE ("}[done.returncode]), done.stdout
        if done.returncode == 1:
            assert "LEAK" in done.stdout.splitlines()[0]
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
