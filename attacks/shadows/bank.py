"""The bank: what many shadow models say about the audited examples, and who trained on what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Floats, Labels, Mask
from vestige.learners.data.examples import Indices
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class ShadowBank:
    """Outputs of N shadows on m audited examples, mapped from files.

    member: bool ``[N, m]``, who trained on what (of unlearned models: before unlearning). forgot: bool ``[N, m]``, what
    a method was told to forget, all False where none ran. labels: int64 ``[m]``. rows: their indices in the audit's
    examples. views: names. phi: N tables float32 ``[views, m]``. logits: N tables ``[views, ..., classes]`` of all rows
    of the files; ``logits_of`` cuts them to ``places``, the bank's rows among them (None: all).
    accuracy_in, accuracy_out: float64 ``[N]``, on the rows trained on and on the others; NaN without any. seconds,
    flops: float64 ``[N]``. folder: where they lie.
    """

    member: Mask
    forgot: Mask
    labels: Labels
    rows: Indices
    views: tuple[str, ...]
    phi: tuple[NDArray[np.float32], ...]
    logits: tuple[NDArray[np.float32], ...]
    accuracy_in: Floats
    accuracy_out: Floats
    seconds: Floats
    flops: Floats
    folder: Path
    places: Indices | None = None

    def __len__(self) -> int:
        return len(self.phi)

    def at(self, rows: Indices) -> "ShadowBank":
        """The same models on some of the rows only (indices into the audit's examples); DataError for one it lacks.

        phi is copied; logits stay where they are and are cut when they are asked for."""
        order = np.argsort(self.rows)
        places = order[np.minimum(np.searchsorted(self.rows, rows, sorter=order), len(order) - 1)]
        lacking = int((self.rows[places] != rows).sum())
        if lacking:
            raise DataError(
                f"shadows: expected outputs on all {len(rows)} audited examples, {lacking} are not in the bank; "
                "make a bank with vestige shadows for this very audit"
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

    def logits_of(self, model: int, view: int | None = None) -> NDArray[np.float32]:
        """Logits of one model on the bank's rows, ``[views, m, classes]``, or ``[m, classes]`` of one view."""
        table = self.logits[model] if view is None else self.logits[model][view]
        cut: NDArray[np.float32] = np.asarray(table if self.places is None else np.take(table, self.places, axis=-2))
        return cut


@dataclass(frozen=True, eq=False)
class OfAugmentation(Sequence[NDArray[np.float32]]):
    """The logits ``[m, classes]`` of each model of a bank under one view, read when they are asked for."""

    bank: ShadowBank
    view: int = 0

    def __len__(self) -> int:
        return len(self.bank)

    def __getitem__(self, model: Any) -> Any:
        return self.bank.logits_of(model, self.view)
