"""What must not be imported by what does not need it: every call pays for start-up. Seconds: benchmarks/startup.py."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEAVY = ("torch", "torchvision", "sklearn", "pandas", "matplotlib", "ray", "pyarrow", "onnxruntime", "scipy.stats")
PROGRAM = """
import json, sys
{statement}
print(json.dumps(sorted(sys.modules)))
"""
COMMAND = """
from vestige.audit.cli.entry import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code in (0, 1, 3), end.code
"""


def loaded(statement: str, *arguments: str | Path) -> set[str]:
    """The modules that a process holds after the statement."""
    words = [sys.executable, "-c", PROGRAM.format(statement=statement), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def vestige(*arguments: str | Path) -> set[str]:
    """The modules that a command loads."""
    return loaded(COMMAND, *arguments)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small outputs file whose models are all alike; the classes are easy, so that nothing looks permuted."""
    random = np.random.default_rng(0)
    role = np.repeat(["forget", "unseen", "retain"], [60, 150, 60])
    labels = np.arange(len(role)) % 3
    models = (4 * np.eye(3)[labels] + random.normal(0, 1, (6, len(role), 3))).astype(np.float32)
    path = tmp_path_factory.mktemp("startup") / "small.npz"
    np.savez(path, labels=labels, role=role, candidate=models[0], original=models[1], retrain=models[2:])
    return path


def test_the_list_of_commands_loads_neither_numpy_nor_any_command() -> None:
    modules = vestige("--help")
    assert not modules & {*HEAVY, "numpy", "rich", "pydantic"}
    own = {name for name in modules if name.startswith("vestige.audit.")}
    assert own <= {f"vestige.audit.cli{name}" for name in ("", ".entry", ".exit_codes", ".main", ".options")}


def test_the_help_of_a_command_loads_no_heavy_library() -> None:
    for name in ("audit", "run", "gate", "plan", "unlearn", "shadows", "study", "calibrate"):
        assert not vestige(name, "--help") & {*HEAVY}, name


def test_an_audit_of_outputs_and_its_gate(outputs: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    vestige("audit", "--outputs", outputs, "--report", report)
    assert not vestige("gate", report, "--profile", "standard") & {*HEAVY, "jinja2", "scipy.optimize"}


def test_an_audit_of_outputs_makes_no_models(outputs: Path, tmp_path: Path) -> None:
    assert not vestige("audit", "--outputs", outputs, "--report", tmp_path / "report") & {*HEAVY}


def test_scores_are_functions_of_arrays() -> None:
    use = """
from vestige.attacks import auc, lira
lira([[1.0]], [[1.5], [2.5], [-2.0], [2.0]], [[True], [True], [False], [False]])
auc([0.1, 0.2, 0.3], [True, False, True])
"""
    assert not loaded("import vestige") & {*HEAVY, "numpy", "scipy"}
    assert not loaded("import vestige.attacks") & {*HEAVY, "numpy", "scipy"}
    assert not loaded(use) & {*HEAVY, "pydantic"}
