"""Training several models at once: stacked where dispatch dominates, one process per core otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.engine.jobs import available_workers, run_jobs
from vestige.learners.errors import ConfigError
from vestige.learners.progress import Progress
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.ledger import LedgerWriter
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.stacked import train_stacked
from vestige.learners.training.train import train

Strategy = Literal["auto", "stacked", "processes"]


@dataclass(frozen=True, eq=False)
class TrainJob:
    """One model to train: its recipe, the examples it may read, its seed; ledger: where its updates are kept."""

    recipe: Recipe
    indices: Indices
    seed: int
    ledger: LedgerWriter | None = None


def plan_groups(jobs: Sequence[TrainJob], strategy: Strategy = "auto") -> list[list[int]]:
    """Positions of the jobs that are trained together, in order of first appearance.

    The plan depends on the jobs alone, never on the machine or on what exists already, so that the same audit gives the
    same bits everywhere. ``auto`` stacks dense networks with equal recipes and sizes, where torch spends its time on
    dispatch (measured: benchmarks/training.py); networks with convolutions gain nothing and stay single. A job with a
    ledger stays single too.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    plan: list[list[int]] = []
    for position, job in enumerate(jobs):
        convolutional = strategy == "auto" and job.recipe.architecture != "mlp"
        if strategy == "processes" or convolutional or job.ledger is not None:
            plan.append([position])
            continue
        key = (job.recipe.key, len(job.indices))
        if key not in groups:
            groups[key] = []
            plan.append(groups[key])
        groups[key].append(position)
    return plan


def choose_workers(recipe: Recipe, device: torch.device, workers: int | None) -> int:
    """Processes side by side for jobs of this recipe: ``workers``, otherwise one per core on a CPU and one on a
    GPU; and one for dense networks, which train in less time than a process takes to start."""
    if workers is not None:
        if workers < 1:
            raise ConfigError(f"workers: expected 1 or more, got {workers}")
        return workers
    return 1 if device.type != "cpu" or recipe.architecture == "mlp" else available_workers()


def train_many(
    examples: Examples,
    jobs: Sequence[TrainJob],
    device: torch.device,
    *,
    strategy: Strategy = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Classifier]]:
    """Yield ``(position, model)`` for every job as it is done; models are in eval mode on ``device``.

    workers: processes for groups that run side by side, see ``choose_workers``. A job's data order, initialisation and
    augmentation are the same whichever way it is trained.
    """
    plan = plan_groups(jobs, strategy)
    work = partial(_train_group, examples, str(device))
    groups = [[jobs[position] for position in group] for group in plan]
    side_by_side = max((choose_workers(job.recipe, device, workers) for job in jobs), default=1)
    for done, states in run_jobs(work, groups, workers=side_by_side, progress=progress):
        for position, state in zip(plan[done], states, strict=True):
            model = build_classifier(jobs[position].recipe, examples.shape, examples.classes, seed=0)
            model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
            model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            yield position, model.eval()


def _train_group(examples: Examples, device: str, group: list[TrainJob], progress: Progress) -> list[dict[str, object]]:
    """Runs in a worker; weights come back as plain arrays, which any process can read."""
    first = group[0]
    if len(group) == 1:
        recipe, indices, where = first.recipe, first.indices, torch.device(device)
        models = [train(recipe, examples, indices, first.seed, where, progress=progress, ledger=first.ledger)]
    else:
        index_sets, seeds = [job.indices for job in group], [job.seed for job in group]
        models = train_stacked(first.recipe, examples, index_sets, seeds, torch.device(device), progress=progress)
    return [{name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()} for model in models]
