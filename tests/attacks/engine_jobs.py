"""What the workers of the engine tests do; apart, so that a worker does not import Ray."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from vestige.learners.errors import DataError


class KillOnce:
    """Work whose worker is killed in the middle of job number one, the first time."""

    def __init__(self, work: Callable, folder: Path) -> None:
        self.work, self.marker = work, folder / "killed"

    def __call__(self, job, report):
        def reported(done, total):
            report(done, total)
            if 1 in job and not self.marker.exists():
                self.marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return self.work(job, reported)


def refuse(job, report):
    raise DataError("a sentence")


def crash(job, report):
    raise ZeroDivisionError("boom")


def die(job, report):
    os.kill(os.getpid(), signal.SIGKILL)


def where(job, report):
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def square(job, report):
    return job * job
