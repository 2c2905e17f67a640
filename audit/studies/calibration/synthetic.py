"""Calibration on synthetic scores with a known truth, over sizes, retrains, seed spread, tails and class effects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from vestige.audit.endpoints.scores import read_signals
from vestige.audit.endpoints.simulation import World
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.studies.calibration.rates import Trials, run_trials
from vestige.audit.studies.calibration.trials import Calibration, summarise, try_model
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
"""Trials in one block: a process takes seconds to start, a trial less than one."""


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
    blocks = []
    for place in range(len(worlds)):
        seeds = [derive_seed(seed, "calibration", place, run) for run in range(runs)]
        blocks += [(place, seeds[first : first + BLOCK]) for first in range(0, runs, BLOCK)]
    trials = run_trials(partial(_try_world, worlds, policy), blocks, workers=workers, watch=watch)
    for place, world in enumerate(worlds):
        yield world, summarise(trials[place], policy)


def _try_world(worlds: Sequence[World], policy: Policy, place: int, seed: int) -> Trials:
    world = worlds[place]
    table = world.draw(seed)
    forget = table.role == "forget"
    order = numpy_generator(seed, "leaks").permutation(np.flatnonzero(forget))
    models = (world.retrains, range(world.retrains), world.retrains + 1)
    trial = try_model(read_signals(table.logits, table.labels), models, table.labels, forget, policy, order)
    return replace(trial, candidates=np.array([seed]))
