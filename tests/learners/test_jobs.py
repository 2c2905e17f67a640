import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
    jobs = [(tmp_path, n) for n in range(3)]
    results = dict(run_jobs(square, jobs, workers=workers, retries=0, progress=lambda d, n: seen.append((d, n))))
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


def test_what_fails_before_or_in_a_job_is_told_and_not_repeated() -> None:
    with pytest.raises(RuntimeError, match="job . of 2 failed:(.*\n)*.*ValueError: invalid literal"):
        dict(run_jobs(crash, [Unreadable(), Unreadable()], workers=2))
    with pytest.raises(RuntimeError, match="EOFError: a file that is cut short"):
        dict(run_jobs(reads_to_the_end, [1, 2], workers=2))


def leave_a_child(job: int, report: Callable[[int, int], None]) -> int:
    """A child that outlives its parent and holds the line to it open."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def stubborn(job: int, report: Callable[[int, int], None]) -> int:
    """Training of somebody who catches everything."""
    if job == 0:
        time.sleep(1)
        raise DataError("a sentence")
    for _ in range(30):
        try:
            time.sleep(1)
        except BaseException:
            pass
    return job


def test_children_that_are_left_hold_nobody_up() -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match="its process died 1 times"):
        dict(run_jobs(leave_a_child, [0, 1], workers=2, retries=0))
    assert time.monotonic() - start < 50


def test_workers_that_do_not_listen_are_ended_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestige.learners.engine.jobs.PATIENCE", 1.0)
    start = time.monotonic()
    with pytest.raises(DataError, match="a sentence"):
        dict(run_jobs(stubborn, list(range(4)), workers=4))
    assert time.monotonic() - start < 25  # the start of four processes, and one wait


def test_fresh_processes_keep_nothing() -> None:
    for workers in (1, 2):
        found = dict(run_jobs(own_process, list(range(3)), workers=workers, fresh=True))
        assert len({process for process, _ in found.values()} - {os.getpid()}) == 3
