"""One candidate made by hand: a method applied to a checkpoint, on the data and split of an audit file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vestige.audit.config.config import AuditConfig
from vestige.audit.files.output_paths import check_output_path
from vestige.audit.models.cost import cost_record, retrain_flops
from vestige.audit.models.making import STRIDE, candidate_seed
from vestige.audit.models.tuning import Tuning, tune
from vestige.audit.models.workspace import digest_indices
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import Cost
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import write_atomically
from vestige.learners.training.checkpoints import (
    Checkpoint,
    checkpoint_bytes,
    load_checkpoint,
    read_header,
    weights_digest,
)
from vestige.learners.training.device import pick_device
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.ledger import Ledger
from vestige.unlearners.core import registry
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import Unlearner


@dataclass(frozen=True, kw_only=True)
class Unlearned:
    """A candidate that was made.

    header: of its checkpoint, with method, hyper-parameters, seed and cost. weights: their digest. cost: as
    a report has it. retrain_flops: what one retrain costs. tuning: the search, with the file that records it.
    """

    path: Path
    header: Checkpoint
    weights: str
    cost: Cost
    retrain_flops: int
    tuning: Tuning | None
    tuning_path: Path | None


def unlearn_checkpoint(
    config: AuditConfig,
    method: str,
    checkpoint: Path,
    output: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    seed: int | None = None,
    ledger: Path | None = None,
    trials: int | None = None,
    force: bool = False,
    base: Path = Path("."),
    watch: Watch = ignore,
) -> Unlearned:
    """Apply ``method`` to the trained model in ``checkpoint`` and write the candidate to ``output``.

    Data, split, device and the tolerance of a search come from ``config``; the recipe is the checkpoint's own. seed: of
    the run; None for the seed that an audit of this file gives a candidate with the method's name, so that under the
    same hyper-parameters the weights are that candidate's; the file's [unlearners] are not read. ledger: folder of the
    original's training ledger. trials: search the hyper-parameters that are not given by so many runs first
    (``tuning``) and record the search in OUTPUT.tuning.json; None for no search. force: overwrite. base: folder that
    the relative paths of ``config`` start from.

    Raises ConfigError for a method or hyper-parameters that do not fit, DataError for a checkpoint that was not trained
    on this split's forget and retain examples, and for files that are there already.
    """
    given, record = dict(parameters or {}), output.with_name(f"{output.name}.tuning.json")
    registry.create(method, given)
    _check_outputs(checkpoint, [output, record], force)
    read_header(checkpoint)  # a wrong path is reported before the data are loaded
    watch("loading data", 0, 1)
    examples, split = config.load_data(base)
    watch("loading data", 1, 1)
    device = pick_device(config.device)
    original, trained = load_checkpoint(checkpoint, device, data=examples.fingerprint)
    if split.setting not in registry.entry(method).settings:
        raise ConfigError(f"{method} cannot forget by {split.setting}, as the audit file asks; choose another method")
    _check_checkpoint(checkpoint, trained, examples, split)
    task = Task(
        examples=examples,
        forget=split.forget_request,
        retain=split.retain,
        validation=split.validation,
        recipe=trained.recipe,
        seed=config.seed * STRIDE + candidate_seed(method) if seed is None else seed,
        device=device,
        setting=split.setting,
        ledger=None if ledger is None else Ledger.read(ledger),
        progress=partial(watch, f"unlearning by {method}"),
    )
    whole = retrain_flops(trained.recipe, len(split.retain), forward_flops(original, examples.shape))
    tuning = None
    if trials is not None:
        progress = partial(watch, f"tuning {method}")
        tolerance = config.policy.margin_utility
        tuning = tune(method, given, original, task, trials=trials, tolerance=tolerance, progress=progress)
    chosen = registry.create(method, given if tuning is None else tuning.parameters)
    candidate = chosen(original, task)
    watch(f"unlearning by {method}", 1, 1)  # a rule may have stopped it early
    if tuning is not None:
        task.meter.note(
            f"hyper-parameters from a blind search of {len(tuning.trials)} trials, whose FLOPs were "
            f"{tuning.flops / whole:.2f} of a retrain's and are not in this cost"
        )
    header, weights = _header(chosen.resolve(original, task), task, split), weights_digest(candidate)
    record.unlink(missing_ok=True)  # with force: what another candidate of this name was tuned by
    if tuning is not None:
        content = {"candidate": weights, "seed_of_candidate": task.seed, **tuning.record()}
        write_atomically(record, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    write_atomically(output, checkpoint_bytes(candidate, header))
    return Unlearned(
        path=output,
        header=header,
        weights=weights,
        cost=cost_record(header.cost or {}, whole),
        retrain_flops=whole,
        tuning=tuning,
        tuning_path=None if tuning is None else record,
    )


def _header(method: Unlearner, task: Task, split: Split) -> Checkpoint:
    """Of the candidate that ``method``, with every hyper-parameter filled in, has just made on ``task``."""
    return Checkpoint(
        role="candidate",
        recipe=task.recipe,
        shape=task.examples.shape,
        classes=task.examples.classes,
        seed=task.seed,
        data=task.examples.fingerprint,
        indices=split.fingerprint,
        label_noise=task.examples.label_noise,
        method=method.entry.name,
        parameters=method.settings(),
        cost=asdict(task.meter.cost()),
    )


def _check_outputs(checkpoint: Path, written: Sequence[Path], force: bool) -> None:
    for path in written:
        check_output_path(path)
        if path.is_dir():
            raise DataError(f"{path}: expected the name of a file to write, got a folder; choose another output")
        if path.exists() and checkpoint.exists() and path.samefile(checkpoint):
            raise DataError(f"{path}: expected another file than the checkpoint, got the same; choose another output")
        if path.exists() and not force:
            raise DataError(f"{path}: expected no file there, got one; choose another output or give --force")


def _check_checkpoint(path: Path, header: Checkpoint, examples: Examples, split: Split) -> None:
    """Raise DataError unless the model was trained on exactly the forget and retain examples of this split."""
    if header.method is not None or header.role == "candidate":
        raise DataError(
            f"{path}: expected a trained model, got a candidate that {header.method or 'a method'} made; "
            "give the original that it was made from"
        )
    for what, found, expected in (
        ("images of shape", header.shape, examples.shape),
        ("a number of classes of", header.classes, examples.classes),
    ):
        if found != expected:
            raise DataError(
                f"{path}: expected a model for {what} {expected}, as {examples.name} has, got {found}; "
                "give the audit file that the checkpoint was made with"
            )
    if header.indices != digest_indices(split.train):
        kind = "a retrain, without its forget set" if header.indices == digest_indices(split.retain) else "others"
        raise DataError(
            f"{path}: expected a checkpoint that was trained on this split's forget and retain examples, got {kind}; "
            "give the original, and the audit file (seed included) that it was made with"
        )
