"""People with several rows: their rows are aggregated, so that a person is one unit of every statistic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from vestige.attacks.scores.threshold import class_centred
from vestige.learners.arrays import Array, Floats, Indices, Labels, Mask

SEVERAL = "several groups"


@dataclass(frozen=True, eq=False)
class People:
    """n rows of m units. unit: int64 ``[n]``, whose row it is; first: int64 ``[m]``, a row of each unit; labels:
    ``[n]``, classes of the rows. A person with rows in the forget set and among the unseen is one unit in each."""

    unit: Int64[Array, " n"]
    first: Indices
    labels: Labels

    @classmethod
    def of(cls, subject: NDArray[np.str_] | None, forget: Mask, labels: Labels) -> "People | None":
        """The people of forget and unseen rows ``[n]``; None where nobody has several rows in a role."""
        if subject is None:
            return None
        _, code = np.unique(subject, return_inverse=True)
        # Forget units first, in the order of their names; rows and units then part alike.
        _, first, unit = np.unique(code + np.where(forget, 0, code.max() + 1), return_index=True, return_inverse=True)
        return None if len(first) == len(unit) else cls(unit, first, labels)

    def mean(self, table: Floats) -> Floats:
        """``[..., n]`` to ``[..., m]``: the mean over a person's rows."""
        order = np.argsort(self.unit, kind="stable")
        starts = np.searchsorted(self.unit[order], np.arange(len(self.first)))
        sums: Floats = np.add.reduceat(table[..., order], starts, axis=-1)
        return sums / np.bincount(self.unit)

    def centred(self, table: Floats, calibration: Mask) -> Floats:
        """Each row minus the median of its class over the rows of the units ``calibration [m]``, then the mean."""
        return self.mean(class_centred(table, self.labels, calibration[self.unit]))

    def group(self, names: NDArray[np.str_]) -> NDArray[np.str_]:
        """The group of each unit; ``SEVERAL`` where its rows have more than one."""
        groups: NDArray[Any] = names[self.first].astype(object)
        groups[np.unique(self.unit[names != names[self.first][self.unit]])] = SEVERAL
        return groups.astype(np.str_)
