"""Calibration on synthetic scores with a known truth, over sizes, retrains, seed spread, tails and class effects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vestige.audit.endpoints.scores import read_signals
from vestige.audit.endpoints.simulation import World
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.studies.calibration.trials import Calibration, Trials, join, summarise, try_model
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.progress import Progress
from vestige.learners.seeds import derive_seed, numpy_generator

BASE = World(forget=1000, unseen=10_000, retrains=5)
GRID: tuple[World, ...] = (
    replace(BASE, forget=100),
    replace(BASE, forget=500),
    replace(BASE, retrains=3),
    BASE,
    replace(BASE, retrains=10),
    replace(BASE, retrains=20),
    replace(BASE, seed_effect=0.0),
    replace(BASE, seed_effect=0.15),
    replace(BASE, tails=3.0),
    replace(BASE, classes=10, class_effect=0.3),
    replace(BASE, forget=5000, retrains=10),
)
"""One thing changed at a time from 1,000 forget and 10,000 unseen examples and 5 retrains."""

BLOCK = 50
"""Trials in one job: a process takes seconds to start, a trial less than one."""


@dataclass(frozen=True)
class _Job:
    world: World
    policy: Policy
    seeds: tuple[int, ...]


def calibrate_worlds(
    worlds: Sequence[World],
    policy: Policy,
    *,
    runs: int,
    seed: int,
    workers: int,
    watch: Watch,
) -> Iterator[tuple[World, Calibration]]:
    """Each world with its error rates, from ``runs`` independent trials. workers: processes side by side."""
    jobs = []
    for place, world in enumerate(worlds):
        seeds = [derive_seed(seed, "calibration", place, run) for run in range(runs)]
        jobs += [(place, _Job(world, policy, tuple(seeds[k : k + BLOCK]))) for k in range(0, runs, BLOCK)]
    found: dict[int, list[Trials]] = {place: [] for place in range(len(worlds))}
    progress = partial(watch, "calibrating")
    for position, trials in run_jobs(_try_world, [job for _, job in jobs], workers=workers, progress=progress):
        found[jobs[position][0]].append(trials)
    for place, world in enumerate(worlds):
        yield world, summarise(join(found[place]), policy)


def _try_world(job: _Job, progress: Progress) -> Trials:
    trials = []
    for done, seed in enumerate(job.seeds):
        table = job.world.draw(seed)
        forget = table.role == "forget"
        order = numpy_generator(seed, "leaks").permutation(np.flatnonzero(forget))
        signals = read_signals(table.logits, table.labels)
        k = job.world.retrains
        one = try_model(signals, k, range(k), k + 1, table.labels, forget, job.policy, order)
        trials.append(replace(one, candidates=np.array([seed])))
        progress(done + 1, len(job.seeds))
    return join(trials)
