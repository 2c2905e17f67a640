"""Where trials come from: synthetic scores with a known truth, or the many retrains of one audit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import read_signals
from vestige.audit.endpoints.simulation import World
from vestige.audit.models.making import train_missing
from vestige.audit.models.outputs import audited_rows
from vestige.audit.models.reading import load_plan, read_models
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.studies.calibration.rates import Trials, run_trials
from vestige.audit.studies.calibration.trials import Calibration, summarise, try_model
from vestige.learners.arrays import Floats, Labels, Mask
from vestige.learners.errors import ConfigError
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


@dataclass(frozen=True)
class NetworkCalibration:
    """Error rates by K, with what was judged. accuracy_unseen: mean and standard deviation over the models."""

    data: str
    forget: int
    unseen: int
    models: int
    sets: int
    accuracy_unseen: tuple[float, float]
    by_retrains: dict[int, Calibration]


@dataclass(frozen=True, eq=False)
class _Sample:
    """What all trials share. signals: of the models, the original last, on forget and unseen rows."""

    signals: dict[str, Floats]
    labels: Labels
    forget: Mask
    policy: Policy
    seed: int


def calibrate_networks(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    models: int,
    retrains: Sequence[int],
    sets: int,
    workers: int,
    watch: Watch,
) -> NetworkCalibration:
    """Train the original and ``models`` retrains of an audit where the workspace lacks them, and judge each retrain
    ``sets`` times against K others drawn at random, for every K of ``retrains``.

    workers: processes side by side. All trials share the examples and the original: the rates hold for them. Raises
    ConfigError for a K that leaves no candidate or is below 3."""
    for k in retrains:
        if not 3 <= k < models:
            raise ConfigError(f"retrains: expected 3 to {models - 1} of {models} models, got {k}")
    plan = load_plan(replace(config, retrains=replace(config.retrains, count=models)), base, watch)
    train_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    judged = roles != "retain"
    labels, forget = plan.examples.labels[rows[judged]], roles[judged] == "forget"
    tables, right = [], []
    for model in read_models(plan, workspace, [*plan.retrains, plan.original], rows, watch):
        logits = model.logits[judged]
        tables.append(read_signals(logits[None], labels))
        right.append(float((logits[~forget].argmax(1) == labels[~forget]).mean()))
    signals = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    sample = _Sample(signals, labels, forget, config.policy, config.seed)
    blocks = [
        (k, list(product(chosen.tolist(), range(sets))))
        for k in retrains
        for chosen in np.array_split(np.arange(models), min(models, workers))
    ]
    trials = run_trials(partial(_try_model, sample), blocks, workers=workers, watch=watch)
    return NetworkCalibration(
        data=plan.examples.name,
        forget=int(forget.sum()),
        unseen=int((~forget).sum()),
        models=models,
        sets=sets,
        accuracy_unseen=(float(np.mean(right[:-1])), float(np.std(right[:-1], ddof=1))),
        by_retrains={k: summarise(of_k, config.policy) for k, of_k in trials.items()},
    )


def _try_model(sample: _Sample, retrains: int, case: tuple[int, int]) -> Trials:
    """The candidate of ``case`` against the set of retrains with its number."""
    (candidate, draw), models = case, len(sample.signals["logit"]) - 1
    random = numpy_generator(sample.seed, "calibration sets", candidate, retrains, draw)
    others = random.choice([model for model in range(models) if model != candidate], retrains, replace=False)
    order = random.permutation(np.flatnonzero(sample.forget))
    chosen = (candidate, others.tolist(), models)
    return try_model(sample.signals, chosen, sample.labels, sample.forget, sample.policy, order)
