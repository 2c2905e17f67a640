"""Engines: where independent jobs run. What is finished is kept elsewhere, so that resuming needs no engine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from vestige.learners.engine.jobs import Work, available_workers, run_jobs
from vestige.learners.errors import ConfigError
from vestige.learners.progress import Progress

Job = TypeVar("Job")
Result = TypeVar("Result")


@runtime_checkable
class Engine(Protocol):
    """Runs jobs somewhere; every engine gives the same bits, because a job's seed is its own."""

    def run(
        self, work: Work[Job, Result], jobs: Sequence[Job], *, progress: Progress | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield ``(position, work(job, report))`` as jobs finish, in any order.

        work: a picklable function. The worker of a job may die: it is replaced and the job redone, a few times. An
        exception of ``work`` is raised here. Results come to the caller, the only one who writes.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Processes of this machine, the default. workers: side by side, None for one per core. gpus: numbers of the CUDA
    devices to share out among them in turn, so that more workers than devices fill a device's slots; retries: how often
    a job is redone whose process died. fresh: a new process for every job, also with one worker, for code that is not
    ours. Raises ConfigError out of range."""

    workers: int | None = None
    gpus: tuple[int, ...] = ()
    retries: int = 2
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers: expected 1 or more, got {self.workers}")

    def run(
        self, work: Work[Job, Result], jobs: Sequence[Job], *, progress: Progress | None = None
    ) -> Iterator[tuple[int, Result]]:
        """See ``Engine.run``."""
        workers = self.workers or available_workers()
        slots: list[Mapping[str, str]] = []  # none: one worker then runs its jobs here
        if self.gpus:
            slots = [{"CUDA_VISIBLE_DEVICES": str(self.gpus[slot % len(self.gpus)])} for slot in range(workers)]
        return run_jobs(
            work,
            jobs,
            workers=workers,
            retries=self.retries,
            progress=progress,
            environments=slots,
            fresh=self.fresh,
        )
