"""Where trials come from: synthetic scores with a known truth, or the many retrains of one audit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.simulation import World
from vestige.audit.models.making import train_missing
from vestige.audit.models.outputs import audited_rows
from vestige.audit.models.reading import load_plan, read_models
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.studies.calibration.rates import Calibration, Step, steps, summarise
from vestige.audit.studies.calibration.trials import TEMPERATURES, Case, Cell, Pool, Trial, try_case
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.errors import ConfigError
from vestige.learners.progress import Progress
from vestige.learners.seeds import derive_seed, numpy_generator

RETRAINS = (0, 1, 2, 3, 5, 10)
"""K that are tried."""
BASE = World(forget=1000, unseen=5000, retain=500, seed_effect=0.0)
GRID: tuple[World, ...] = (
    replace(BASE, forget=400, unseen=4000),
    BASE,
    replace(BASE, forget=2000, unseen=10_000),
    replace(BASE, seed_effect=0.03),
    replace(BASE, seed_effect=0.15),
    replace(BASE, tails=3.0),
    replace(BASE, class_effect=0.3),
)
"""One thing changed at a time from 1,000 forget and 5,000 unseen examples."""

Each = TypeVar("Each")
Trials = dict[Cell, list[Trial]]
Found = dict[Cell, Trial]


@dataclass(frozen=True)
class Calibrated:
    """What came out of one source of trials, by setting and K."""

    cells: dict[Cell, Calibration]
    steps: list[Step]

    @classmethod
    def of(cls, found: Iterable[Found]) -> "Calibrated":
        """The figures of trials that have the same cells."""
        trials: Trials = {}
        for by_cell in found:
            for cell, trial in by_cell.items():
                trials.setdefault(cell, []).append(trial)
        trials = {cell: trials[cell] for cell in sorted(trials)}
        cells = {cell: summarise(cell, of_cell) for cell, of_cell in trials.items()}
        return cls(cells, steps(trials, cells))


def calibrate_worlds(
    worlds: Sequence[World],
    policy: Policy,
    *,
    retrains: Sequence[int] = RETRAINS,
    runs: int,
    seed: int,
    workers: int,
    watch: Watch,
) -> Iterator[tuple[World, Calibrated]]:
    """Each world with its figures, from ``runs`` independent trials. workers: processes side by side."""
    worlds = [replace(world, retrains=max(retrains)) for world in worlds]
    cases = [
        (world, derive_seed(seed, "calibration", place, run))
        for place, world in enumerate(worlds)
        for run in range(runs)
    ]
    found = _run(partial(_try_world, retrains, policy), cases, workers, watch)
    for place, world in enumerate(worlds):
        yield world, Calibrated.of(found[place * runs : (place + 1) * runs])


def _try_world(retrains: Sequence[int], policy: Policy, case: tuple[World, int]) -> Found:
    world, seed = case
    table = world.draw(seed)
    pool = Pool(table.logits, table.labels, table.role, redraw=False)
    found = try_case(pool, retrains, policy, Case(world.retrains, tuple(range(world.retrains)), seed))
    return {cell: replace(trial, candidate=seed) for cell, trial in found.items()}


@dataclass(frozen=True)
class NetworkCalibration:
    """Figures by setting and K, with what was judged. accuracy_unseen: mean and standard deviation over the models."""

    data: str
    forget: int
    unseen: int
    models: int
    accuracy_unseen: tuple[float, float]
    found: Calibrated


def pool_of(
    config: AuditConfig, workspace: Workspace, *, base: Path = Path("."), models: int, watch: Watch
) -> tuple[str, Pool]:
    """Name of the data, and outputs of ``models`` retrains and the original of an audit, trained where the workspace
    lacks them."""
    plan = load_plan(replace(config, retrains=replace(config.retrains, count=models)), base, watch)
    train_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    read = read_models(plan, workspace, [*plan.retrains, plan.original], rows, watch)
    logits = np.stack([model.logits for model in read])
    return plan.examples.name, Pool(logits, plan.examples.labels[rows], roles, redraw=True)


def calibrate_networks(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    models: int,
    retrains: Sequence[int] = RETRAINS,
    sets: int,
    workers: int,
    watch: Watch,
) -> NetworkCalibration:
    """Judge each of ``models`` retrains of an audit ``sets`` times against others drawn at random, for every K of
    ``retrains``: the first K of the same others.

    workers: processes side by side. All trials share the examples and the original: the rates hold for them. Raises
    ConfigError for a K that leaves no candidate."""
    for k in retrains:
        if not 0 <= k < models:
            raise ConfigError(f"retrains: expected 0 to {models - 1} of {models} models, got {k}")
    name, pool = pool_of(config, workspace, base=base, models=models, watch=watch)
    cases = [
        case_of(config.seed, models, max(retrains), candidate, draw)
        for candidate in range(models)
        for draw in range(sets)
    ]
    found = _run(partial(try_case, pool, retrains, config.policy), cases, workers, watch)
    unseen = pool.role == "unseen"
    right = (pool.logits[:-1, unseen].argmax(axis=2) == pool.labels[unseen]).mean(axis=1)
    return NetworkCalibration(
        data=name,
        forget=int((pool.role == "forget").sum()),
        unseen=int(unseen.sum()),
        models=models,
        accuracy_unseen=(float(right.mean()), float(right.std(ddof=1))),
        found=Calibrated.of(found),
    )


def case_of(seed: int, models: int, most: int, candidate: int, draw: int) -> Case:
    """A candidate with at most so many others, drawn at random."""
    random = numpy_generator(seed, "calibration sets", candidate, draw)
    others = random.permutation([model for model in range(models) if model != candidate])[:most]
    temperature = TEMPERATURES[(candidate + draw) % len(TEMPERATURES)]
    return Case(candidate, tuple(others.tolist()), derive_seed(seed, "calibration", candidate, draw), temperature)


def _run(work: Callable[[Each], Found], cases: Sequence[Each], workers: int, watch: Watch) -> list[Found]:
    """``work`` on every case, in order. One block for each worker, since starting one takes longer than a trial."""
    places = [block for block in np.array_split(np.arange(len(cases)), 10 * workers) if len(block)]
    blocks = [[cases[place] for place in block] for block in places]
    found: dict[int, list[Found]] = {}
    progress = partial(watch, "calibrating")
    for position, trials in run_jobs(partial(_try_block, work), blocks, workers=workers, progress=progress):
        found[position] = trials
    return [trial for position in range(len(blocks)) for trial in found[position]]


def _try_block(work: Callable[[Each], Found], block: Sequence[Each], progress: Progress) -> list[Found]:
    found = []
    for done, case in enumerate(block, start=1):
        found.append(work(case))
        progress(done, len(block))
    return found
