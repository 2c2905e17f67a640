"""The bank: outputs of many shadow models on the audited examples, and which model trained on what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy.typing import NDArray

from vestige.learners.arrays import Array, Indices, Labels
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class ShadowBank:
    """Outputs of N shadows on m audited examples, mapped from files.

    member: which model trained on what (of unlearned models: before unlearning). forgot: what a method was requested to
    forget, all False where none ran. labels: of the m examples. rows: their indices in the audit's examples.
    augmentations: names. phi: N tables float32 ``[augmentations, m]``. logits: N tables ``[augmentations, ...,
    classes]`` of all rows of the files; ``logits_of`` cuts them to ``places``, the bank's rows among them (None: all).
    accuracy_in, accuracy_out: on the rows trained on and on the others; NaN without any. folder: of the files.
    """

    member: Bool[Array, "models m"]
    forgot: Bool[Array, "models m"]
    labels: Labels
    rows: Indices
    augmentations: tuple[str, ...]
    phi: tuple[NDArray[np.float32], ...]
    logits: tuple[NDArray[np.float32], ...]
    accuracy_in: Float64[Array, " models"]
    accuracy_out: Float64[Array, " models"]
    seconds: Float64[Array, " models"]
    flops: Float64[Array, " models"]
    folder: Path
    places: Indices | None = None

    def __len__(self) -> int:
        return len(self.phi)

    def at(self, rows: Indices) -> "ShadowBank":
        """The same models on some of the rows only (indices into the audit's examples); DataError for one it lacks.

        phi is copied; logits stay where they are and are cut when they are read."""
        order = np.argsort(self.rows)
        places = order[np.minimum(np.searchsorted(self.rows, rows, sorter=order), len(order) - 1)]
        lacking = int((self.rows[places] != rows).sum())
        if lacking:
            raise DataError(
                f"shadows: expected outputs on all {len(rows)} audited examples, {lacking} are not in the bank; "
                "make a bank for this audit with vestige shadows"
            )
        return replace(
            self,
            member=self.member[:, places],
            forgot=self.forgot[:, places],
            labels=self.labels[places],
            rows=rows,
            phi=tuple(table[:, places] for table in self.phi),
            places=places if self.places is None else self.places[places],
        )

    def part(self, models: slice) -> "ShadowBank":
        """Some of the models, in whole pairs: a smaller bank on the same rows."""
        first, last, step = models.indices(len(self))
        if step != 1 or first % 2 or last % 2 or last <= first:
            raise DataError(f"shadows: expected whole pairs, got models {first} to {last}; start and stop must be even")
        return replace(
            self,
            member=self.member[models],
            forgot=self.forgot[models],
            phi=self.phi[models],
            logits=self.logits[models],
            accuracy_in=self.accuracy_in[models],
            accuracy_out=self.accuracy_out[models],
            seconds=self.seconds[models],
            flops=self.flops[models],
        )

    def logits_of(self, model: int, augmentation: int | None = None) -> Float32[Array, "*augmentations m classes"]:
        """Logits of one model on the bank's rows, under all augmentations or one."""
        table = self.logits[model] if augmentation is None else self.logits[model][augmentation]
        cut: NDArray[np.float32] = np.asarray(table if self.places is None else np.take(table, self.places, axis=-2))
        return cut


@dataclass(frozen=True, eq=False)
class OfAugmentation(Sequence[NDArray[np.float32]]):
    """The logits ``[m, classes]`` of each model of a bank under one augmentation, read one by one."""

    bank: ShadowBank
    augmentation: int = 0

    def __len__(self) -> int:
        return len(self.bank)

    def __getitem__(self, model: Any) -> Any:
        return self.bank.logits_of(model, self.augmentation)
