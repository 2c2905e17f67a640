"""Ctrl-C and requests to end, at several moments: exit code 4, a sentence, no worker left, nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import Said
from tests.hostile.conftest import GUARD, TINY, ended, remains, start, write_npz
from vestige.audit.results.json import read_report

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and signals of POSIX")


def group_members(group: int) -> list[int]:
    """Processes of a group that are alive."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group and words[0] != "Z":
            found.append(int(place.name))
    return found


def interrupt(process: "subprocess.Popen[str]", number: int, *, whole_group: bool = True) -> Said:
    """Send the signal as a terminal (to the group) or a supervisor (to the process) does, and see how it ends."""
    os.killpg(process.pid, number) if whole_group else os.kill(process.pid, number)
    said = ended(process)
    empty(process.pid)
    return said


def empty(group: int) -> None:
    """Wait until no process of the group is alive."""
    until = time.monotonic() + GUARD
    while time.monotonic() < until and group_members(group):
        time.sleep(0.05)
    left = group_members(group)
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert not left, "processes were left behind"


def when(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
    until = time.monotonic() + GUARD
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def has_loaded(process: int, library: str) -> bool:
    """Whether a process has compiled code of the library in its memory."""
    try:
        return f"/{library}/" in Path(f"/proc/{process}/maps").read_text()
    except OSError:  # it has ended
        return False


def workers_with_torch(process: "subprocess.Popen[str]") -> int:
    """How many workers of the command have begun to import torch: what they were sent, they have received."""
    return sum(has_loaded(one, "torch") for one in group_members(process.pid) if one != process.pid)


def said_in(path: Path, words: str) -> Callable[[], bool]:
    return lambda: words in path.read_text()


def check(said: Said, err: str) -> None:
    assert said.code == 4 and "Traceback" not in err and "KeyboardInterrupt" not in err, err
    assert err.splitlines()[-1].startswith("Error: interrupted; what is finished is kept")


EASY = TINY.replace("workers = 2", "workers = 1").replace('"cnn", width = 4', '"mlp", width = 16')


@pytest.mark.parametrize(
    ("command", "moment", "number", "whole_group"),
    [
        ("run", "loading data", signal.SIGINT, True),
        ("run", "workers", signal.SIGINT, True),
        ("run", "training 4 models: 10", signal.SIGINT, True),
        ("run", "training 4 models: 10", signal.SIGTERM, False),
        ("run", "training 4 models: 10", signal.SIGHUP, True),
        ("shadows", "%", signal.SIGINT, True),
    ],
)
def test_an_interrupt_ends_a_run_in_order(
    command: str, moment: str, number: signal.Signals, whole_group: bool, tmp_path: Path
) -> None:
    (tmp_path / "audit.toml").write_text(TINY)
    err = tmp_path / "err.txt"
    arguments = [command, "audit.toml", "--workspace", "w", *(["--count", "4"] if command == "shadows" else [])]
    with err.open("w") as stream:
        process = start(*arguments, folder=tmp_path, stderr=stream)
    if moment == "workers":  # while they import
        when(process, lambda: workers_with_torch(process) == 2)
    else:
        when(process, said_in(err, moment))
    check(interrupt(process, number, whole_group=whole_group), err.read_text())
    assert not remains(tmp_path) and not (tmp_path / "w" / "report").exists()


def test_the_same_command_goes_on_and_gives_what_it_would_have_given(tmp_path: Path, vestige: Any) -> None:
    (tmp_path / "audit.toml").write_text(EASY)
    err = tmp_path / "err.txt"
    with err.open("w") as stream:
        process = start("run", "audit.toml", "--workspace", "w", folder=tmp_path, stderr=stream)
    when(process, lambda: any((tmp_path / "w" / "outputs").glob("*.npy")))
    check(interrupt(process, signal.SIGINT), err.read_text())
    assert not remains(tmp_path)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "w" / "models").iterdir()}
    codes = {vestige("run", tmp_path / "audit.toml", "--workspace", tmp_path / name).code for name in ("w", "fresh")}
    assert len(codes) == 1
    assert {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / "w" / "models").iterdir()
    }.items() >= kept.items()
    one, other = (read_report(tmp_path / name / "report") for name in ("w", "fresh"))
    assert [audit.verdict for audit in one.audits] == [audit.verdict for audit in other.audits]


def test_an_interrupt_of_an_audit_and_of_a_demo(tmp_path: Path, arrays: dict[str, Any]) -> None:
    write_npz(tmp_path / "outputs.npz", **arrays)
    # While it imports, twice, and when it judges, or is done already: then its own code counts.
    moments: dict[str, Callable[[int], bool]] = {
        "imports": lambda number: has_loaded(number, "numpy"),
        "more-imports": lambda number: has_loaded(number, "scipy"),
        "judging": lambda number: any((tmp_path / "judging").glob("registration-*.json")),
    }
    for folder, reached in moments.items():
        process = start("audit", "--outputs", "outputs.npz", "--report", folder, folder=tmp_path)
        while process.poll() is None and not reached(process.pid):
            time.sleep(0.005)
        said = interrupt(process, signal.SIGINT)
        if said.code != 3:
            check(said, said.err)
        assert not remains(tmp_path)
        names = {path.name for path in (tmp_path / folder).glob("report.*")}
        assert names in (set(), {"report.json", "report.html"})
    err = tmp_path / "err.txt"
    with err.open("w") as stream:
        process = start("demo", "--workspace", "demo", folder=tmp_path, stderr=stream)
    when(process, said_in(err, "training"))
    check(interrupt(process, signal.SIGINT), err.read_text())
    assert not remains(tmp_path)


def test_a_parent_that_is_killed_leaves_no_worker_at_work(tmp_path: Path) -> None:
    """Nothing can be tidied up then; the workers end by themselves, though they have work for hours; the next run
    clears what is left."""
    (tmp_path / "audit.toml").write_text(
        TINY.replace("epochs = 6", "epochs = 100000").replace("width = 4", "width = 64")
    )
    err = tmp_path / "err.txt"
    with err.open("w") as stream:
        process = start(
            "run", "audit.toml", "--workspace", "w", folder=tmp_path, stderr=stream, stdout=subprocess.DEVNULL
        )
    when(process, said_in(err, "training 4 models: 0"))
    when(process, lambda: workers_with_torch(process) == 2)
    process.kill()
    process.wait()
    empty(process.pid)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As under nohup."""
    code = (
        "import os, signal, click\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from vestige.audit.cli.entry import run_command\n"
        "@click.command()\n"
        "def one():\n    os.kill(os.getpid(), signal.SIGHUP)\n    return 3\n"
        "run_command(lambda: one, [])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ}, check=False).returncode == 3


def test_handlers_are_as_they_were(vestige: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert vestige("methods").code == 0 and signal.getsignal(signal.SIGTERM) is before
