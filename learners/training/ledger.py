"""The ledger of a training run: the updates of those batches that held a watched example."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from vestige.learners.arrays import Array, Floats, Indices
from vestige.learners.errors import DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import batch_bounds
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.recipe import Recipe

Parameters: TypeAlias = Float32[Array, " values"]


def training_batches(seed: int, count: int, recipe: Recipe) -> Iterator[Indices]:
    """Positions (int64, in 0..count-1) of the examples of every batch of a training run, in the order of its steps."""
    order = torch_generator(seed, "order")
    for _ in range(recipe.epochs):
        permutation = torch.randperm(count, generator=order).numpy()
        for start, stop in batch_bounds(count, recipe.batch_size):
            yield permutation[start:stop]


@dataclass
class _Recording:
    """What a writer knows between the first step and the last."""

    members: list[Indices]
    planned: int
    written: int = 0
    steps: int = 0


@dataclass(eq=False)
class LedgerWriter:
    """Keeps the updates of the batches that hold one of the ``watched`` examples in ``folder``, which is afterwards
    whole or absent. One float32 number for each parameter and batch: size it before a long run (``bytes_needed``)."""

    folder: Path
    watched: Indices
    _recording: _Recording | None = field(default=None, init=False, repr=False)

    def bytes_needed(self, parameters: int, indices: Indices, recipe: Recipe, seed: int) -> int:
        """Size on disk for a network of this many parameters."""
        return 4 * parameters * len(self._batches(indices, recipe, seed))

    def watch(self, model: nn.Module, indices: Indices, recipe: Recipe, seed: int) -> Callable[[int], None]:
        """What is to be called after each step of a training run on ``indices`` that starts now."""
        batches = self._batches(indices, recipe, seed)
        self.discard()
        self._part.mkdir(parents=True)
        recording = self._recording = _Recording(
            list(batches.values()), recipe.epochs * len(batch_bounds(len(indices), recipe.batch_size))
        )
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(batches), len(flat_parameters(model)))}
        with self._updates.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
        before = {0: flat_parameters(model)} if 0 in batches else {}

        def after_step(step: int) -> None:
            recording.steps = step + 1
            if step not in batches and step + 1 not in batches:
                return  # on a GPU the parameters are not fetched for nothing
            now = flat_parameters(model)
            if step in batches:
                self._write(recording, now - before.pop(step))
            if step + 1 in batches:
                before[step + 1] = now

        return after_step

    def close(self, model: nn.Module) -> None:
        """Put the finished ledger of ``model``, as it is now, in its place.

        Raises DataError when the run did not take the steps that it was to take."""
        recording = self._recording
        if recording is None:
            raise RuntimeError("watch a training run before closing its ledger")
        members, done = recording.members, recording.written
        if done != len(members):
            self.discard()
            raise DataError(f"{self.folder}: expected the updates of {len(members)} batches, got {done}; train again")
        if recording.steps != recording.planned:
            self.discard()
            raise DataError(
                f"{self.folder}: expected a run of {recording.planned} steps, got {recording.steps}; train again"
            )
        lengths = np.array([len(batch) for batch in members], dtype=np.int64)
        flat = np.concatenate([np.zeros(0, dtype=np.int64), *members])
        np.savez(self._part / "batches.npz", members=flat, lengths=lengths, watched=np.unique(self.watched))
        sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
        header = {"weights": weights_digest(model), "parameters": sizes, "steps": recording.steps}
        (self._part / "ledger.json").write_text(json.dumps(header), encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._part.rename(self.folder)
        self._recording = None

    def _write(self, recording: _Recording, update: Parameters) -> None:
        # Row by row: a full disk is then an error that can be caught, where a mapped file would end the process. And
        # closed in between: an interrupted run leaves no open file.
        try:
            with self._updates.open("ab") as file:
                file.write(update.astype("<f4").tobytes())
        except OSError as error:
            self.discard()
            raise DataError(f"{self.folder}: cannot keep the ledger ({error}); free disk space") from error
        recording.written += 1

    @property
    def _part(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.part")

    @property
    def _updates(self) -> Path:
        return self._part / "updates.npy"

    def discard(self) -> None:
        """Remove what was kept so far."""
        self._recording = None
        shutil.rmtree(self._part, ignore_errors=True)

    def _batches(self, indices: Indices, recipe: Recipe, seed: int) -> dict[int, Indices]:
        """The watched batches by step: indices of the examples in them."""
        watched = np.isin(indices, self.watched)
        batches = enumerate(training_batches(seed, len(indices), recipe))
        return {step: indices[positions] for step, positions in batches if watched[positions].any()}


@dataclass(frozen=True, eq=False)
class Ledger:
    """A finished ledger.

    weights: digest of the model that the training run ended with. steps: batches of the whole run. watched: indices of
    the examples whose batches were kept, ascending. parameters: number of values by name, in order. updates: float32
    ``[batches, values]``, mapped from disk. members: indices of the examples of each kept batch.
    """

    folder: Path
    weights: str
    steps: int
    watched: Indices
    parameters: dict[str, int]
    updates: Float32[Array, "batches values"]
    members: tuple[Indices, ...]

    @classmethod
    def read(cls, folder: Path) -> "Ledger":
        """Raises DataError for a folder that is missing, damaged or something else."""
        if not folder.is_dir():
            raise DataError(
                f"{folder}: expected the folder of a training ledger, found none; record one while training"
            )
        try:
            header: dict[str, Any] = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
            with (folder / "batches.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                lengths, flat, watched = stored["lengths"], stored["members"], stored["watched"]
            updates = np.load(folder / "updates.npy", mmap_mode="r", allow_pickle=False)
            parameters = {str(name): int(size) for name, size in header["parameters"].items()}
            if lengths.sum() != len(flat) or updates.shape != (len(lengths), sum(parameters.values())):
                raise ValueError(f"{len(lengths)} batches, {sum(parameters.values())} values, updates {updates.shape}")
            members = tuple(np.split(flat, np.cumsum(lengths)[:-1])) if len(lengths) else ()
            return cls(folder, str(header["weights"]), int(header["steps"]), watched, parameters, updates, members)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
            raise DataError(f"{folder}: not a whole training ledger ({error}); record it again") from error

    def batches_with(self, indices: Indices) -> Indices:
        """Rows of ``updates`` whose batch held one of the examples at ``indices``."""
        return np.array(
            [row for row, batch in enumerate(self.members) if np.isin(batch, indices).any()], dtype=np.int64
        )

    def total(self, rows: Indices) -> Floats:
        """Sum of these updates, ``[values]``, in float64; only these are read."""
        total = np.zeros(self.updates.shape[1])
        for row in rows:
            total += self.updates[row]
        return total


def flat_parameters(model: nn.Module) -> Parameters:
    """All parameters, one after another, in a new array."""
    flat = torch.cat([weights.detach().flatten().float() for weights in model.parameters()])
    return np.array(flat.cpu().numpy())
