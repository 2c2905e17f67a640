"""CONTRIBUTING.md: every example is followed to the letter, in a copy of the repository, and works."""

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vestige.attacks.registry.inputs import AttackInputs

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = ("audit", "attacks", "learners", "unlearners", "vestige", "tests")


def blocks(kind: str) -> list[tuple[str, str]]:
    """What follows ``kind`` on the first line, and the text, of the blocks of code that are marked so."""
    return re.findall(rf"^```{kind}(?: (\S+))?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def block(kind: str) -> str:
    ((_, code),) = blocks(kind)
    return code


def change(house: Path, kind: str) -> None:
    """Apply the differences of the page: what stands before must be in the file exactly once. A difference that starts
    with ``...`` is one inside a line."""
    for name, difference in blocks(f"diff {kind}"):
        lines = difference.splitlines(keepends=True)
        parts = (
            "".join(line[1:].removeprefix(" ... ") for line in lines if line[0] in signs) for signs in (" -", " +")
        )
        before, after = (part.removesuffix("\n") for part in parts)
        text = (house / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name}: expected once what CONTRIBUTING.md changes: {before}"
        (house / name).write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the additions of the page."""
    folder = tmp_path_factory.mktemp("house")
    for name in COPIED:
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "found", "fixtures")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "unlearners" / "smooth_finetune.py").write_text(block("python method"), encoding="utf-8")
    cases = folder / "tests" / "unlearners" / "test_unlearner_properties.py"
    start = "METHODS: dict[str, Case] = {\n"
    text = cases.read_text(encoding="utf-8")
    assert text.count(start) == 1
    cases.write_text(text.replace(start, start + block("python method-case")), encoding="utf-8")
    (folder / "learners" / "data" / "sources" / "csvpixels.py").write_text(block("python source"), encoding="utf-8")
    (folder / "audit" / "endpoints" / "raw_phi.py").write_text(block("python endpoint"), encoding="utf-8")
    change(folder, "source")
    change(folder, "endpoint")
    return folder


def python(house: Path, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Python with the copy in place of the repository."""
    words = [sys.executable, *map(str, arguments)]
    settings = os.environ | {"PYTHONPATH": str(house)}
    return subprocess.run(words, cwd=cwd or house, env=settings, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_method_keeps_the_property_contract(house: Path) -> None:
    tests = "tests/unlearners/test_unlearner_properties.py"
    done = python(house, "-m", "pytest", "-p", "no:cacheprovider", tests, "-k", "smooth_finetune and mlp or has_a_case")
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 10
    where = python(house, "-c", "from vestige.unlearners.core.registry import get; print(get('smooth_finetune'))")
    assert "smooth_finetune.SmoothFinetune" in where.stdout, where.stderr


def test_the_score_runs_on_arrays_and_the_attack_on_what_an_attacker_holds() -> None:
    module = ModuleType("above_retrains")
    for _, code in blocks("python attack"):
        exec(code, vars(module))
    (example,) = doctest.DocTestFinder().find(module.above_retrains, module=False, globs=vars(module))
    assert doctest.DocTestRunner().run(example) == doctest.TestResults(failed=0, attempted=1)
    random = np.random.default_rng(0)
    member = np.arange(40) < 20
    logits = random.normal(size=(4, 40, 3))
    logits[3, member, 0] += 5
    inputs = AttackInputs(
        labels=np.zeros(40, np.int64), calibration=np.arange(40) >= 35, retrains=logits[:3], others=logits[3:]
    )
    attack = module.ABOVE_RETRAINS
    assert attack.possible(inputs) and "retrains" in attack.needs and "Signal minus" in attack.explanation
    scores = attack(inputs).scores
    assert scores.shape == (4, 40) and scores[3, member].min() > np.median(scores[3, ~member])


@pytest.mark.slow
def test_the_endpoint_is_in_the_report_and_the_gate_accepts_it(house: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    role = np.repeat(["forget", "retain", "unseen"], [200, 200, 400])
    logits = random.normal(size=(6, len(role), 3))
    logits[4, role == "forget", 0] += 2
    np.savez(
        tmp_path / "outputs.npz",
        labels=np.zeros(len(role), np.int64),
        role=role,
        candidate=logits[5],
        original=logits[4],
        retrain=logits[:4],
    )
    audited = python(house, "-m", "vestige", "audit", "--outputs", "outputs.npz", "--report", "report", cwd=tmp_path)
    assert audited.returncode in (0, 3), audited.stdout + audited.stderr
    (audit,) = json.loads((tmp_path / "report" / "report.json").read_text())["audits"]
    (endpoint,) = (endpoint for endpoint in audit["endpoints"] if endpoint["name"] == "P")
    assert endpoint["gap"] is not None and "confidence" in audited.stdout
    gated = python(house, "-m", "vestige", "gate", "report", "--profile", "standard", cwd=tmp_path)
    assert gated.returncode == audited.returncode, gated.stdout + gated.stderr


def test_the_source_loads_and_refuses(house: Path, tmp_path: Path) -> None:
    (tmp_path / "digits.csv").write_text("1,0,50,100,150\n0,255,0,0,255\n")
    (tmp_path / "ragged.csv").write_text("1,0,50,100\n")
    code = """
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import DataError
examples = load_examples("csvpixels:digits.csv")
print(examples.shape, examples.labels.tolist(), examples.images.ravel().tolist())
try:
    load_examples("csvpixels:ragged.csv")
except DataError as error:
    print(error)
"""
    done = python(house, "-c", code, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "(2, 2, 1) [1, 0] [0, 50, 100, 150, 255, 0, 0, 255]",
        "csvpixels:ragged.csv: expected a label and the pixels of a square image, got 4 columns",
    ], done.stderr


def test_the_page_names_the_folders_in_their_order() -> None:
    from tests.test_house import FOLDERS

    for floor, folders in FOLDERS.items():
        line = re.search(rf"^- `{floor}`: (.*?)(?=^- |\n\n)", PAGE, re.DOTALL | re.MULTILINE)
        assert line is not None and re.findall(r"`(\w+)`", line[1]) == list(folders), floor
