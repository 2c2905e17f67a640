"""Calibration on real networks: many retrains of one audit, each judged against random sets of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import read_signals
from vestige.audit.models.making import plan_models, train_missing
from vestige.audit.models.outputs import audited_rows, outputs_of
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.studies.calibration.trials import Calibration, Trials, join, summarise, try_model
from vestige.learners.arrays import Floats, Mask
from vestige.learners.data.examples import Indices
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.errors import ConfigError
from vestige.learners.progress import Progress
from vestige.learners.seeds import numpy_generator


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
class _Job:
    """Every candidate of ``chosen`` against its sets of retrains."""

    signals: dict[str, Floats]
    labels: Indices
    forget: Mask
    policy: Policy
    chosen: tuple[int, ...]
    retrains: int
    sets: int
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
    watch("loading data", 0, 1)
    plan = plan_models(replace(config, retrains=replace(config.retrains, count=models)), base)
    watch("loading data", 1, 1)
    train_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    asked = roles != "retain"
    labels, forget = plan.examples.labels[rows[asked]], roles[asked] == "forget"
    keys, tables, right = [*plan.retrains, plan.original], [], []
    for done, key in enumerate(keys):
        watch("computing outputs", done, len(keys))
        logits = outputs_of(plan, workspace, key, rows).logits[asked]
        tables.append(read_signals(logits[None], labels))
        right.append(float((logits[~forget].argmax(1) == labels[~forget]).mean()))
    watch("computing outputs", len(keys), len(keys))
    signals = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    jobs = [
        _Job(signals, labels, forget, config.policy, tuple(chosen.tolist()), k, sets, config.seed)
        for k in retrains
        for chosen in np.array_split(np.arange(models), min(models, workers))
    ]
    found: dict[int, list[Trials]] = {k: [] for k in retrains}
    progress = partial(watch, "calibrating")
    for position, trials in run_jobs(_try_model, jobs, workers=workers, progress=progress):
        found[jobs[position].retrains].append(trials)
    return NetworkCalibration(
        data=plan.examples.name,
        forget=int(forget.sum()),
        unseen=int((~forget).sum()),
        models=models,
        sets=sets,
        accuracy_unseen=(float(np.mean(right[:-1])), float(np.std(right[:-1], ddof=1))),
        by_retrains={k: summarise(join(trials), config.policy) for k, trials in found.items()},
    )


def _try_model(job: _Job, progress: Progress) -> Trials:
    models = len(job.signals["logit"]) - 1
    trials = []
    for place, model in enumerate(job.chosen):
        for draw in range(job.sets):
            random = numpy_generator(job.seed, "calibration sets", model, job.retrains, draw)
            others = random.choice([one for one in range(models) if one != model], job.retrains, replace=False)
            order = random.permutation(np.flatnonzero(job.forget))
            trials.append(
                try_model(job.signals, model, others.tolist(), models, job.labels, job.forget, job.policy, order)
            )
            progress(place * job.sets + draw + 1, len(job.chosen) * job.sets)
    return join(trials)
