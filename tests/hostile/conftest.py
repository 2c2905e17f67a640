"""The command as a user runs it: in a process of its own where the process matters, and on files that are hostile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command import Said, say
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World

ROOT = Path(__file__).resolve().parents[2]
SMALL = World(forget=60, unseen=200, retain=40, retrains=3)
PROGRAM = "import sys; from vestige.audit.cli.entry import main; main(sys.argv[1:])"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}


GUARD = 1800.0
"""Seconds after which a test that waits for an event is taken to hang for ever; no test comes near it."""


def command(arguments: Sequence[str]) -> list[str]:
    """How the command is started as a process."""
    return [sys.executable, "-c", PROGRAM, *arguments]


def start(*arguments: str, folder: Path, **how: Any) -> "subprocess.Popen[str]":
    """The command in a process group of its own."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(
        command(arguments),
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
        **how,
    )


def _heed_interrupts() -> None:
    """As at a terminal, also where the tests run in the background of a shell, whose children ignore these."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process: "subprocess.Popen[str]") -> Said:
    """Wait for a process of ``start``; its pipes are closed."""
    out, err = process.communicate(timeout=GUARD)
    return Said(process.returncode, out or "", err or "")


@pytest.fixture
def vestige(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process."""
    return partial(say, capsys)


@pytest.fixture(scope="session")
def outputs() -> Outputs:
    """Small outputs with ids, groups and no fault."""
    made = SMALL.draw(0).outputs()
    return replace(made, id=np.array([f"image-{row}" for row in range(len(made))]))


@pytest.fixture(scope="session")
def arrays(outputs: Outputs) -> dict[str, Any]:
    """The same as arrays by name."""
    names = ("labels", "role", "candidate", "retrain", "original", "id")
    return {name: getattr(outputs, name) for name in names}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, mounted for one test; skipped where that cannot be done."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode()[:200]}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that even root cannot write into: a bind mount, read-only; skipped where that cannot be done."""
    place = tmp_path / "read-only"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        place.chmod(0o500)
        yield place
        place.chmod(0o700)
        return
    made = subprocess.run(["mount", "--bind", place, place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no bind mount can be made here: {made.stderr.decode()[:200]}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def write_npz(path: Path, **arrays: Any) -> Path:
    """An outputs file as a stranger writes it, unchecked."""
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    return path


def remains(folder: Path) -> list[str]:
    """Temporary files below a folder."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if ".part" in path.name]


TINY = """
workers = 2
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300}
model = {architecture = "cnn", width = 4}
recipe = {epochs = 6, learning_rate = 0.05}
retrains = {count = 3}
unlearners = {finetune = {}}
policy = {profile = "screening", min_evidence = "C"}
"""
