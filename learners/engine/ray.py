"""Jobs on a Ray cluster: several machines, and fractions of a GPU. An extra: ``pip install 'ray>=2.40'``."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from vestige.learners.engine.jobs import Work
from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.progress import Progress

if TYPE_CHECKING:
    from types import ModuleType

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Tasks of a Ray cluster.

    address: of a running cluster (``auto``, ``HOST:PORT``, ``ray://HOST:PORT``), None for the one in RAY_ADDRESS or
    else a new cluster of this machine, which ends with the process. cpus, gpus: what one job occupies; a quarter of a
    GPU puts four jobs on each. retries: how often a job is redone whose worker or machine died.

    Ray's usage reports are switched off: a privacy tool does not report home.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    retries: int = 3

    def __post_init__(self) -> None:
        if self.cpus < 0 or self.gpus < 0 or self.cpus + self.gpus == 0:
            raise ConfigError(f"ray: expected cpus and gpus of at least 0, not both 0, got {self.cpus} and {self.gpus}")

    def run(
        self, work: Work[Job, Result], jobs: Sequence[Job], *, progress: Progress | None = None
    ) -> Iterator[tuple[int, Result]]:
        """See ``Engine.run``. Progress moves when a job is done: workers may be on other machines."""
        if not jobs:
            return
        ray = self._connected()
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for name, wanted in (("CPU", self.cpus), ("GPU", self.gpus)):
            largest = max((machine.get(name, 0) for machine in machines), default=0)
            if largest < wanted:
                raise ConfigError(
                    f"ray: expected a machine with at least {wanted:g} {name} for a job, got {largest:g}; "
                    "give a job less of a machine, or add machines"
                )
        task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=self.retries)(_call)
        shared = ray.put(work)  # once a machine, not once a job
        ahead = enumerate(jobs)
        waiting: dict[Any, int] = {}
        done = 0
        try:
            while True:
                # A window of jobs: results wait in memory only for as many as the cluster can work on.
                for position, job in islice(ahead, self._window(machines) - len(waiting)):
                    waiting[task.remote(shared, job)] = position
                if not waiting:
                    return
                (ready,), _ = ray.wait(list(waiting), num_returns=1)
                position = waiting.pop(ready)
                done += 1
                if progress is not None:
                    progress(1000 * done, 1000 * len(jobs))
                yield position, self._result(ray, ready, position, len(jobs))
        finally:
            for unfinished in waiting:
                ray.cancel(unfinished, force=True)

    def _window(self, machines: Sequence[dict[str, float]]) -> int:
        """Twice as many jobs as the cluster can do at a time."""
        shares = [(name, share) for name, share in (("CPU", self.cpus), ("GPU", self.gpus)) if share]
        room = sum(min(machine.get(name, 0) / share for name, share in shares) for machine in machines)
        return max(2, 2 * int(room))

    def _connected(self) -> "ModuleType":
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray
        except ImportError:
            raise ConfigError("ray: expected Ray to be installed, it is not; pip install 'ray>=2.40'") from None
        if ray.is_initialized():
            if self.address is not None:
                raise ConfigError(f"ray: expected no connection yet, got one already; leave out {self.address}")
        else:
            where = self.address or os.environ.get("RAY_ADDRESS")
            local: dict[str, Any] = {} if where else {"include_dashboard": False}
            try:
                ray.init(address=where or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
            except (ConnectionError, ValueError, RuntimeError) as error:
                text = str(error).strip().splitlines()
                raise ConfigError(
                    f"ray: expected a cluster at {where or 'this machine'}, "
                    f"got {text[0] if text else type(error).__name__}; start one with: ray start --head"
                ) from None
        module: ModuleType = ray
        return module

    def _result(self, ray: "ModuleType", ready: Any, position: int, jobs: int) -> Any:
        try:
            result = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, VestigeError):
                raise cause from None
            raise RuntimeError(f"job {position + 1} of {jobs} failed:\n{error}") from None
        except (
            ray.exceptions.RayError
        ) as error:  # also after the retries: a worker, a machine or the connection is gone
            raise DataError(
                f"job {position + 1} of {jobs}: its worker died {self.retries + 1} times ({type(error).__name__}); "
                "check free memory, or give a job more of a machine"
            ) from None
        return result


def _call(work: Work[Job, Result], job: Job) -> Result:
    return work(job, lambda done, total: None)
