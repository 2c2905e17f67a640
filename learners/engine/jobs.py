"""Independent jobs on the processes of this machine: each does one job after another, a dead one is replaced."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from vestige.learners.errors import DataError, VestigeError
from vestige.learners.progress import Progress

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Job, Progress], Result]
STOP_TIMEOUT = 10.0
"""Seconds that workers have to tidy up before they are killed."""
POLL_INTERVAL = 1.0
"""Seconds between two looks at whether silent workers live."""


@dataclass(frozen=True)
class _Failure:
    """What a worker sends in place of a result; an error of vestige whole, any other as its text."""

    error: VestigeError | None
    text: str


def run_jobs(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    retries: int = 2,
    progress: Progress | None = None,
    environments: Sequence[Mapping[str, str]] = (),
    fresh: bool = False,
) -> Iterator[tuple[int, Result]]:
    """Yield ``(position, work(job, report))`` as jobs finish, in any order.

    work: a picklable function; it may call ``report(done, total)``. With one worker everything runs here, in order.
    A worker that dies (killed, out of memory) is replaced and its job redone up to ``retries`` times; an exception of
    ``work`` is raised here, as it was when it is one of vestige's own. environments: variables of each worker's slot,
    set before the job is unpickled. fresh: a new process for every job, also with one worker: for code that is not
    ours, whose modules may keep what one job did for the next. ``progress`` is called with thousandths of a job
    done and to do, over all jobs.
    """
    shares = [0.0] * len(jobs)

    def report(position: int, share: float) -> None:
        shares[position] = share
        if progress is not None:
            progress(int(1000 * sum(shares)), 1000 * len(jobs))

    if (workers <= 1 or len(jobs) <= 1) and not environments and not fresh:
        for position, job in enumerate(jobs):
            result = work(job, lambda done, total, position=position: report(position, done / total))  # type: ignore[misc]
            report(position, 1.0)
            yield position, result
        return
    yield from _on_processes(work, jobs, workers, retries, report, environments, fresh)


def available_workers() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Worker:
    """A process of a slot."""

    process: SpawnProcess
    slot: int


def _on_processes(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    count: int,
    retries: int,
    report: Callable[[int, float], None],
    environments: Sequence[Mapping[str, str]],
    fresh: bool,
) -> Iterator[tuple[int, Result]]:
    waiting, deaths, free = list(range(len(jobs))), [0] * len(jobs), list(range(count))
    workers: dict[Connection, _Worker] = {}
    running: dict[Connection, int] = {}
    stopping: list[SpawnProcess] = []

    def assign(connection: Connection) -> None:
        running[connection] = waiting.pop(0)
        with suppress(OSError):  # it has died: reading from it will show that
            connection.send(jobs[running[connection]])

    def stop(connection: Connection) -> SpawnProcess:
        connection.close()  # which it takes for the end
        worker = workers.pop(connection)
        stopping[:] = [*(process for process in stopping if process.is_alive()), worker.process]
        free.append(worker.slot)
        return worker.process

    try:
        while waiting or running:
            while waiting and free:
                slot = free.pop(0)
                assign(_start(work, environments[slot] if environments else {}, slot, workers))
            for connection in _ready(running, workers):
                position = running[connection]
                try:
                    kind, value = _message(connection)
                except (EOFError, OSError):
                    del running[connection]
                    dead = stop(connection)
                    deaths[position] += 1
                    if deaths[position] > retries:
                        _await([dead])
                        raise DataError(
                            f"job {position + 1} of {len(jobs)}: its process died {deaths[position]} times "
                            f"(last exit code {dead.exitcode}); check free memory, or use fewer workers"
                        ) from None
                    waiting.insert(0, position)
                    continue
                if kind == "progress":
                    report(position, value)
                    continue
                del running[connection]
                if isinstance(value, _Failure):
                    raise value.error or RuntimeError(f"job {position + 1} of {len(jobs)} failed:\n{value.text}")
                if waiting and not fresh:
                    assign(connection)
                else:
                    stop(connection)
                report(position, 1.0)
                yield position, value
    finally:
        for connection, worker in workers.items():
            worker.process.terminate()
            connection.close()
        _await([*stopping, *(worker.process for worker in workers.values())])


def _ready(running: Mapping[Connection, int], workers: Mapping[Connection, _Worker]) -> list[Connection]:
    """The connections on which there is something, or whose process is gone. A child that it left behind may hold its
    end of the connection open, and that of its sentinel, so that only polling finds out."""
    readable = set(wait(list(running), POLL_INTERVAL))
    return [line for line in running if line in readable or not workers[line].process.is_alive()]


def _message(connection: Connection) -> tuple[str, Any]:
    if not connection.poll():
        raise EOFError
    kind, value = connection.recv()
    return kind, value


def _await(processes: Sequence[SpawnProcess]) -> None:
    """See that they end; all together have ``STOP_TIMEOUT`` for it, whatever they or their children are doing."""
    until = time.monotonic() + STOP_TIMEOUT
    for process in processes:
        if process.is_alive():
            process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
        process.join()


def _start(
    work: Work[Job, Result], variables: Mapping[str, str], slot: int, workers: dict[Connection, _Worker]
) -> Connection:
    """Adds to ``workers`` a process that waits for jobs, in an environment with these variables; the line to it."""
    context = multiprocessing.get_context("spawn")  # a fork of a process that uses CUDA or threads is unsafe
    here, there = context.Pipe()
    with _surroundings(variables):
        process = context.Process(target=_work, args=(work, there), daemon=True)
        with _no_interrupt():
            process.start()
            workers[here] = _Worker(process, slot)
    there.close()
    return here


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """An interrupt waits, and SIGINT never comes to a process that is started here: the parent ends its workers, which
    would print a traceback each where an interrupt meets them, or meets the parent, while they are started."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which, where it comes later, would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    waiting: list[int] = []
    handlers: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            # These are not blocked: the mask is inherited, and a worker is ended by SIGTERM.
            for number in (signal.SIGTERM, signal.SIGHUP):
                if callable(signal.getsignal(number)):
                    handlers[number] = signal.getsignal(number)
                    signal.signal(number, lambda number, _: waiting.append(number))
        yield
    finally:
        try:
            for changed, handler in handlers.items():
                signal.signal(changed, handler)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for came in waiting:
            signal.raise_signal(came)


@contextmanager
def _surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with these variables in it, for a child to inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _work(work: Work[Job, Result], connection: Connection) -> None:
    """What a worker does: the jobs that come, until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    signal.signal(signal.SIGTERM, _leave)
    # A daemon to the parent, with which it ends; yet it may start processes, such as those of a torch DataLoader.
    multiprocessing.current_process().daemon = False
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent needs no more, or is gone
        while True:
            connection.send(("result", _result(work, connection)))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is leaving


def _leave(*_: object) -> None:
    """End in order, which removes temporary files; a second signal changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _result(work: Work[Job, Result], connection: Connection) -> object:
    try:
        job = connection.recv()
    except (EOFError, ConnectionResetError):
        raise
    except Exception:  # it cannot be put together here
        return _Failure(None, traceback.format_exc())
    try:
        return work(job, lambda done, total: connection.send(("progress", done / total)))
    except BrokenPipeError:
        raise
    except VestigeError as error:
        return _Failure(error, "")
    except Exception:
        return _Failure(None, traceback.format_exc())
