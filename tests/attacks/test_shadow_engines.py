"""The same bank on both engines, bit for bit, also when a worker is killed in the middle of its job."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.engine_jobs import KillOnce, crash, die, refuse, square, where
from tests.attacks.test_shadow_design import design
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.making import make_shadows
from vestige.learners.engine.engines import Processes
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.engine.ray import RayEngine
from vestige.learners.errors import ConfigError, DataError

ray = pytest.importorskip("ray", reason="the extra vestige[ray] is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray of this machine alone: loopback, no dashboard, no usage reports."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DEDUP_LOGS"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    yield
    ray.shutdown()


def bits(bank: ShadowBank) -> list[bytes]:
    return [table.tobytes() for table in bank.logits]


class Killing:
    """An engine in which one worker dies in the middle of a job."""

    def __init__(self, engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def run(self, work, jobs, *, progress=None):
        return self.engine.run(KillOnce(work, self.folder), jobs, progress=progress)


class Seen:
    """The last progress that was reported."""

    last = (0, 0)

    def __call__(self, done: int, total: int) -> None:
        self.last = (done, total)


def test_both_engines_make_the_same_bank_though_a_worker_is_killed_on_each(cluster, tmp_path, monkeypatch):
    from vestige.attacks.shadows import making

    monkeypatch.setattr(making, "DENSE_CHUNK", 1)
    plain = make_shadows(design(), tmp_path / "here", 4, engine=Processes(workers=1))
    banks = {}
    for name, engine in (("processes", Processes(workers=2)), ("ray", RayEngine())):
        (tmp_path / name).mkdir()
        seen = Seen()
        banks[name] = make_shadows(design(), tmp_path / name, 2, engine=Killing(engine, tmp_path / name), progress=seen)
        assert (tmp_path / name / "killed").exists() and seen.last[0] == seen.last[1] > 0
    assert bits(banks["ray"]) == bits(banks["processes"]) == bits(plain)[:2]
    # Resuming does not depend on the engine.
    assert bits(make_shadows(design(), tmp_path / "ray", 4, engine=Processes(workers=1))) == bits(plain)
    assert bits(make_shadows(design(), tmp_path / "processes", 4, engine=RayEngine())) == bits(plain)


def test_what_a_job_raises_is_raised_here(cluster):
    with pytest.raises(DataError, match="^a sentence$"):
        list(RayEngine().run(refuse, [1, 2]))
    with pytest.raises(RuntimeError, match="job 1 of 1 failed.*\n(.*\n)*.*boom"):
        list(RayEngine().run(crash, [1]))
    with pytest.raises(DataError, match="job 1 of 1: its worker died 1 times"):
        list(RayEngine(retries=0).run(die, [1]))
    assert list(RayEngine().run(refuse, [])) == []


def test_a_cluster_that_is_too_small_or_absent_is_a_sentence(cluster):
    with pytest.raises(ConfigError, match="expected a machine with at least 64 CPU for a job, got 2; give"):
        list(RayEngine(cpus=64).run(refuse, [1]))
    with pytest.raises(ConfigError, match="at least 0.25 GPU for a job, got 0"):
        list(RayEngine(gpus=0.25).run(refuse, [1]))
    with pytest.raises(ConfigError, match="expected cpus and gpus of at least 0, not both 0"):
        RayEngine(cpus=0)
    with pytest.raises(ConfigError, match="expected no connection yet, got one already; leave out 127.0.0.1:1"):
        list(RayEngine(address="127.0.0.1:1").run(refuse, [1]))


def test_more_jobs_than_the_window_are_all_done(cluster):
    seen = Seen()
    assert sorted(RayEngine().run(square, range(11), progress=seen)) == [(k, k * k) for k in range(11)]
    assert seen.last == (11_000, 11_000)


def test_no_connection_to_a_worker_outlives_it():
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert len(list(Processes(workers=2).run(square, range(4)))) == 4
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def _whose(job, report):
    return os.getpid()


def test_one_worker_without_a_device_starts_no_process() -> None:
    assert set(dict(Processes(workers=1).run(_whose, [1, 2])).values()) == {os.getpid()}


def test_processes_share_out_gpus_and_leave_this_process_alone():
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = dict(Processes(workers=2, gpus=(3,)).run(where, [1, 2, 3]))
    assert found == {0: "3", 1: "3", 2: "3"}
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    slots = [{"CUDA_VISIBLE_DEVICES": str(k)} for k in (0, 1)]
    alternating = dict(run_jobs(where, [1, 2], workers=2, environments=slots))
    alone = dict(run_jobs(where, [1], workers=1, environments=slots))  # in a process of its own all the same
    assert alone == {0: "0"} and os.environ.get("CUDA_VISIBLE_DEVICES") == before
    assert sorted(alternating.values()) == ["0", "1"]
    with pytest.raises(ConfigError, match="workers: expected 1 or more, got 0"):
        Processes(workers=0)
