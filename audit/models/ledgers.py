"""Ledgers of an audit: the updates of the original's training, for the methods that take some of them back."""

import shutil
from pathlib import Path

from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.workspace import ModelKey, Workspace, digest_indices
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import DataError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.ledger import LedgerWriter
from vestige.learners.training.train_many import TrainJob
from vestige.unlearners.core import registry

LARGEST_SHARE = 0.8
"""Of the free disk space that a ledger may take."""


def needs_ledger(spec: CandidateSpec) -> bool:
    """Whether the candidate's method takes back updates."""
    return "ledger" in registry.entry(spec.method).needs


def ledger_folder(workspace: Workspace, original: ModelKey, split: Split) -> Path:
    """Where the ledger of this original is, or will be; one that watches another forget set has another name."""
    return workspace.root / "ledgers" / f"{original.name}-{digest_indices(split.forget_request)[:8]}"


def original_job(
    config: AuditConfig, examples: Examples, indices: Indices, seed: int, folder: Path, forget: Indices
) -> TrainJob:
    """The original's training, kept in a ledger of the batches with forget examples.

    Raises DataError when the disk has no room for it."""
    writer = LedgerWriter(folder, forget)
    network = build_classifier(config.recipe, examples.shape, examples.classes, seed=0)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    needed = writer.bytes_needed(parameters, indices, config.recipe, seed)
    free = shutil.disk_usage(_existing(folder)).free
    if needed > LARGEST_SHARE * free:
        methods = ", ".join(spec.name for spec in config.candidates if needs_ledger(spec))
        raise DataError(
            f"{methods}: expected room for {needed / 2**30:.1f} GiB of training updates, "
            f"got {free / 2**30:.1f} GiB free at {folder.parent}, of which {100 * LARGEST_SHARE:.0f} % may be used; "
            "leave the method out, forget fewer examples, or use a larger disk"
        )
    return TrainJob(config.recipe, indices, seed, ledger=writer)


def other_weights(folder: Path, path: Path) -> DataError:
    """The error for an original that came out with other weights when it was trained again to keep its ledger; the
    ledger, which is of no use, is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    return DataError(
        f"{path}: expected the same weights when the original was trained again to keep its updates, got others; "
        "use a new workspace, where the updates are kept from the start"
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
