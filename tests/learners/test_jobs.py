import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vestige.learners.engine import jobs
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.errors import DataError

pytestmark = pytest.mark.slow  # every worker is a fresh interpreter


def square(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    report(1, 2)
    return job[1] ** 2


def die_once(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    folder, number = job
    marker = folder / f"{number}"
    if number == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    if job[1] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job[1]


def refuse(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    if job[1] == 1:
        raise DataError("a sentence")
    time.sleep(0.1)
    return job[1]


def crash(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    raise ZeroDivisionError("boom")


def own_process(job: int, report: Callable[[int, int], None]) -> tuple[int, int]:
    """This process, and one that it starts, as a training function with a DataLoader does."""
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0,))
    child.start()
    child.join()
    return os.getpid(), child.exitcode or 0


class Unreadable:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return int, ("no number",)


def reads_to_the_end(job: int, report: Callable[[int, int], None]) -> int:
    raise EOFError("a file that is cut short")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_and_progress_reaches_the_end(tmp_path: Path, workers: int) -> None:
    seen: list[tuple[int, int]] = []
    results = dict(
        run_jobs(
            square,
            [(tmp_path, n) for n in range(3)],
            workers=workers,
            retries=0,
            progress=lambda d, n: seen.append((d, n)),
        )
    )
    assert results == {0: 0, 1: 1, 2: 4}
    assert seen[-1] == (3000, 3000) and sorted(seen) == seen


def test_en_01_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    assert dict(run_jobs(die_once, [(tmp_path, n) for n in range(3)], workers=2)) == {0: 0, 1: 1, 2: 2}


def test_a_job_that_always_dies_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="job 2 of 2: its process died 2 times"):
        dict(run_jobs(die_always, [(tmp_path, n) for n in range(2)], workers=2, retries=1))


def test_en_02_an_exception_propagates_and_is_not_retried(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a sentence"):
        dict(run_jobs(refuse, [(tmp_path, n) for n in range(2)], workers=2))
    with pytest.raises(RuntimeError, match="ZeroDivisionError: boom"):
        dict(run_jobs(crash, [(tmp_path, n) for n in range(2)], workers=2))


def test_a_process_does_several_jobs_and_may_start_others() -> None:
    found = dict(run_jobs(own_process, list(range(5)), workers=2))
    assert len({process for process, _ in found.values()} - {os.getpid()}) == 2
    assert {code for _, code in found.values()} == {0}


def test_what_fails_before_or_in_a_job_is_reported_and_not_repeated() -> None:
    with pytest.raises(RuntimeError, match="job . of 2 failed:(.*\n)*.*ValueError: invalid literal"):
        dict(run_jobs(crash, [Unreadable(), Unreadable()], workers=2))
    with pytest.raises(RuntimeError, match="EOFError: a file that is cut short"):
        dict(run_jobs(reads_to_the_end, [1, 2], workers=2))


def leave_a_child(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    """A child that outlives its parent and holds the line to it open, until it is released."""
    folder, number = job
    if os.fork() == 0:
        (folder / f"child-{number}").write_text(str(os.getpid()))
        until_there(folder / "released")
        os._exit(0)
    until_there(folder / f"child-{number}")
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def stubborn(job: tuple[Path, int], report: Callable[[int, int], None]) -> int:
    """Training of somebody who catches everything. Job 0 fails as soon as the others are at it."""
    folder, number = job
    if number == 0:
        for other in (1, 2, 3):
            until_there(folder / f"started-{other}")
        raise DataError("a sentence")
    (folder / f"started-{number}").write_text(str(os.getpid()))
    while not (folder / "released").exists():
        try:
            time.sleep(1)
        except BaseException:
            pass
    return number


def until_there(file: Path) -> None:
    """However slow the machine is; the limit only ends what is left of a failed test."""
    for _ in range(6000):
        if file.exists() and (file.name == "released" or file.read_text()):
            return
        time.sleep(0.1)


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_that_are_left_hold_nobody_up(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its process died 1 times"):
        dict(run_jobs(leave_a_child, [(tmp_path, 0), (tmp_path, 1)], workers=2, retries=0))
    assert lives(int((tmp_path / "child-1").read_text()))  # nothing waited for its end
    (tmp_path / "released").touch()


def test_workers_that_do_not_listen_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "STOP_TIMEOUT", 1.0)
    with pytest.raises(DataError, match="a sentence"):
        dict(run_jobs(stubborn, [(tmp_path, number) for number in range(4)], workers=4))
    started = [int((tmp_path / f"started-{number}").read_text()) for number in (1, 2, 3)]
    assert not any(map(lives, started))
    (tmp_path / "released").touch()


@dataclass
class Deaf:
    """A process that ends when it is killed, and time that passes only while somebody waits for it."""

    clock: list[float]
    events: list[str]
    alive: bool = True

    def is_alive(self) -> bool:
        return self.alive

    def join(self, timeout: float | None = None) -> None:
        if self.alive:
            assert timeout is not None, "waited without a limit"
            self.clock[0] += timeout
            self.events.append(f"waited {timeout:g}")

    def kill(self) -> None:
        self.alive = False
        self.events.append("killed")


def test_all_workers_together_have_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, events = [0.0], list[str]()
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(jobs, "STOP_TIMEOUT", 1.0)
    jobs._await([Deaf(clock, events) for _ in range(3)])  # type: ignore[misc]
    assert events == ["waited 1", "killed", "waited 0", "killed", "waited 0", "killed"]


def test_fresh_processes_keep_nothing() -> None:
    for workers in (1, 2):
        found = dict(run_jobs(own_process, list(range(3)), workers=workers, fresh=True))
        assert len({process for process, _ in found.values()} - {os.getpid()}) == 3
