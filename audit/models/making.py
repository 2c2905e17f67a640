"""Making the models of an audit: what exists in the workspace is not made again."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.ledgers import ledger_folder, needs_ledger, original_job, other_weights
from vestige.audit.models.workspace import ModelKey, Workspace, digest_indices
from vestige.audit.policy import LOOKS
from vestige.audit.progress import Watch
from vestige.learners.arrays import Indices
from vestige.learners.data.duplicates import Duplicates, count_duplicates
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.errors import DataError, VestigeError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.progress import Progress
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.checkpoints import Checkpoint, checkpoint_bytes, weights_digest
from vestige.learners.training.code_version import code_version
from vestige.learners.training.device import pick_device
from vestige.learners.training.ledger import Ledger
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train_many import TrainJob, choose_workers, plan_groups, train_many
from vestige.unlearners.core import registry
from vestige.unlearners.core.task import Task

Made = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
"""Weights, hyper-parameters and cost of a candidate, as they come from a worker."""


STRIDE = 100_000
"""Seeds of one audit: the original's, then the retrains', then from STRIDE / 2 on the candidates'."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is to be made, by key, before anything is made."""

    config: AuditConfig
    examples: Examples
    split: Split
    duplicates: Duplicates
    device: torch.device
    original: ModelKey
    retrains: tuple[ModelKey, ...]
    candidates: tuple[tuple[CandidateSpec, ModelKey], ...]

    @property
    def train(self) -> Indices:
        """What the original is trained on: forget and retain examples, and the canaries that are in."""
        return self.split.train


@dataclass(frozen=True, eq=False)
class MadeModel:
    """A model of this project on the audited rows.

    logits: float32 ``[n, classes]``. weights: their digest. header: of the checkpoint. forward_flops: of one image.
    """

    logits: NDArray[np.float32]
    weights: str
    header: Checkpoint
    forward_flops: int


def plan_models(config: AuditConfig, base: Path) -> Plan:
    """Load the data and name every model of the audit; nothing is trained."""
    examples, split = config.load_data(base)
    if len(split.unseen) < 2:
        raise DataError(f"forget.unseen: expected at least 2 unseen examples, got {len(split.unseen)}; ask for more")
    duplicates = count_duplicates(examples, split)
    device = pick_device(config.device)
    trained_on = digest_indices(split.train)

    def key(role: str, indices: str, seed: int, **more: str) -> ModelKey:
        return ModelKey(
            role=role,
            recipe=config.recipe,
            data=examples.fingerprint,
            indices=indices,
            seed=config.seed * STRIDE + seed,
            device=device.type,
            code=code_version("vestige.unlearners") if more else code_version(),
            **more,
        )

    original = key("original", trained_on, 0)
    retained = digest_indices(split.retain)
    candidates = [
        (
            spec,
            key(
                "candidate",
                split.fingerprint,
                candidate_seed(spec.name),
                method=spec.method,
                parameters=canonical_json(spec.parameters),
                made_from=original.name,
            ),
        )
        for spec in config.candidates
    ]
    retrains = tuple(key("retrain", retained, 1 + k) for k in range(config.retrains.count))
    return Plan(config, examples, split, duplicates, device, original, retrains, tuple(candidates))


def candidate_seed(name: str) -> int:
    """A candidate's seed within the audit's: by its name, so that adding another candidate changes nothing."""
    return STRIDE // 2 + int(digest(name)[:12], 16) % (STRIDE // 2)


def train_missing(plan: Plan, workspace: Workspace, watch: Watch) -> None:
    """Train the original and the retrains that the workspace lacks.

    Models that are trained stacked are made again together when one of them is missing: their bits then never depend
    on where an earlier run was interrupted.

    Where a candidate's method needs the ledger of the original's training, it is kept; an original that exists without
    one is trained again for it and must come out the same (DataError otherwise, and where the disk has no room).
    """
    recipe = plan.config.recipe
    keys = [plan.original, *plan.retrains]
    index_sets = [plan.train] + [plan.split.retain] * len(plan.retrains)
    jobs = [TrainJob(recipe, indices, key.seed) for key, indices in zip(keys, index_sets, strict=True)]
    missing = {k for k, key in enumerate(keys) if not workspace.has(key)}
    folder = ledger_folder(workspace, plan.original, plan.split)
    if any(needs_ledger(spec) and not workspace.has(key) for spec, key in plan.candidates):
        if 0 in missing or not folder.is_dir():
            jobs[0] = original_job(
                plan.config, plan.examples, plan.train, plan.original.seed, folder, plan.split.forget_request
            )
            missing.add(0)
    wanted = [k for group in _groups(plan, jobs) if missing.intersection(group) for k in group]
    chosen = [jobs[position] for position in wanted]
    progress = partial(watch, f"training {len(wanted)} models")
    for done, model in train_many(
        plan.examples, chosen, plan.device, workers=plan.config.workers, progress=progress if wanted else None
    ):
        key = keys[wanted[done]]
        if not workspace.has(key):
            workspace.write_model(key, checkpoint_bytes(model, _header(plan, key)))
        elif chosen[done].ledger is not None:
            there, _ = workspace.load(key, plan.device)
            if weights_digest(there) != weights_digest(model):
                raise other_weights(folder, workspace.model_path(key))


def _groups(plan: Plan, jobs: Sequence[TrainJob]) -> list[list[int]]:
    """What is stacked together. In a sequential audit what is added at one look is a stack of its own, so that another
    look trains nothing again."""
    looks = LOOKS if plan.config.policy.sequential else ()
    ends = [*(1 + look for look in looks if 1 + look < len(jobs)), len(jobs)]
    batches = [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return [
        [batch[place] for place in group]
        for batch in batches
        for group in plan_groups([jobs[position] for position in batch])
    ]


def train_models(plan: Plan, workspace: Workspace, wanted: Sequence[tuple[ModelKey, Indices]], watch: Watch) -> None:
    """Train further models, each on its examples, where the workspace lacks them.

    What is given together is stacked together, so that call for call the bits are the same; see ``train_missing``."""
    jobs = [TrainJob(plan.config.recipe, indices, key.seed) for key, indices in wanted]
    missing = {place for place, (key, _) in enumerate(wanted) if not workspace.has(key)}
    places = [place for group in plan_groups(jobs) if missing.intersection(group) for place in group]
    chosen = [jobs[place] for place in places]
    progress = partial(watch, f"training {len(places)} models")
    workers = plan.config.workers
    for done, model in train_many(plan.examples, chosen, plan.device, workers=workers, progress=progress):
        key = wanted[places[done]][0]
        if not workspace.has(key):
            workspace.write_model(key, checkpoint_bytes(model, _header(plan, key)))


def unlearn_missing(plan: Plan, workspace: Workspace, watch: Watch, *, tolerate: bool = False) -> dict[str, str]:
    """Make the candidates that the workspace lacks.

    The first method that refuses ends it with its DataError or ConfigError. tolerate: the refusal is written down in
    the workspace instead, where a later call finds it; returned are the sentences of all refusals by candidate.
    """
    missing = [(spec, key) for spec, key in plan.candidates if not workspace.has(key)]
    code = code_version(__name__)
    known = {spec.name: workspace.refusal(key, code) for spec, key in missing} if tolerate else {}
    refusals = {name: sentence for name, sentence in known.items() if sentence is not None}
    missing = [(spec, key) for spec, key in missing if spec.name not in refusals]
    if not missing:
        return refusals
    original, _ = workspace.load(plan.original, torch.device("cpu"))
    workers = choose_workers(plan.config.recipe, plan.device, plan.config.workers)
    # As arrays: tensors would reach the workers as memory that they share with this process.
    weights = {name: tensor.numpy().copy() for name, tensor in original.state_dict().items()}
    folder = ledger_folder(workspace, plan.original, plan.split)
    ledger = folder if folder.is_dir() else None
    work = partial(_unlearn, plan.examples, plan.split, plan.config.recipe, str(plan.device), weights, ledger)
    jobs = [(spec, key.seed) for spec, key in missing]
    progress = partial(watch, f"making {len(missing)} candidates")
    attempt: Callable[..., Made | str] = partial(_attempt, work) if tolerate else work
    for done, result in run_jobs(attempt, jobs, workers=workers, progress=progress):
        spec, key = missing[done]
        if isinstance(result, str):
            workspace.refuse(key, code, result)
            refusals[spec.name] = result
            continue
        state, parameters, cost = result
        original.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
        header = _header(plan, key, method=spec.method, parameters=parameters, cost=cost)
        workspace.write_model(key, checkpoint_bytes(original, header))
    return refusals


def _attempt(
    work: Callable[[tuple[CandidateSpec, int], Progress], Made], job: tuple[CandidateSpec, int], report: Progress
) -> Made | str:
    """Runs in a worker: the result, or the sentence with which the method refuses."""
    try:
        return work(job, report)
    except VestigeError as refusal:
        return str(refusal)


def _unlearn(
    examples: Examples,
    split: Split,
    recipe: Recipe,
    device: str,
    weights: dict[str, NDArray[Any]],
    ledger: Path | None,
    job: tuple[CandidateSpec, int],
    report: Callable[[int, int], None],
) -> Made:
    """Runs in a worker: weights as plain arrays, the hyper-parameters that were used, the cost. ledger: its folder."""
    spec, seed = job
    original = build_classifier(recipe, examples.shape, examples.classes, seed=0)
    original.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    original.to(device=torch.device(device), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    task = Task(
        examples=examples,
        forget=split.forget_request,
        retain=split.retain,
        validation=split.validation,
        recipe=recipe,
        seed=seed,
        device=torch.device(device),
        setting=split.setting,
        ledger=Ledger.read(ledger) if ledger is not None and needs_ledger(spec) else None,
        progress=report,
    )
    method = registry.create(spec.method, spec.parameters)
    candidate = method(original, task)
    state = {name: tensor.detach().cpu().numpy() for name, tensor in candidate.state_dict().items()}
    return state, method.resolve(original, task).settings(), asdict(task.meter.cost())


def _header(plan: Plan, key: ModelKey, **more: Any) -> Checkpoint:
    return Checkpoint(
        role=key.role,
        recipe=key.recipe,
        shape=plan.examples.shape,
        classes=plan.examples.classes,
        seed=key.seed,
        data=key.data,
        indices=key.indices,
        label_noise=plan.examples.label_noise,
        **more,
    )
