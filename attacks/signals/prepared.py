"""What every signal is made of: logits with the classes first, and what several signals need of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class Prepared:
    """Logits ready for every signal, so that what several of them need is computed once.

    z: a float64 copy (sums over the first axis run at memory speed and in an order that does not depend on the batch).
    index: the labels, as an index into it.
    """

    z: Float64[Array, "classes *models n"]
    index: Int64[Array, "1 *models n"]

    @classmethod
    def of(cls, logits: ArrayLike, labels: ArrayLike) -> "Prepared":
        """Raises DataError for shapes that do not fit and for labels outside."""
        return cls(*_class_first(logits, labels))

    @cached_property
    def top(self) -> Int64[Array, "1 *models n"]:
        """Index of the largest logit, of equal ones the first."""
        top: Int64[Array, "1 *models n"] = self.z.argmax(0)[None]
        return top

    @cached_property
    def shifted(self) -> Float64[Array, "classes *models n"]:
        """z minus the largest."""
        shifted: Floats = self.z - np.take_along_axis(self.z, self.top, 0)
        return shifted

    @cached_property
    def powers(self) -> Float64[Array, "classes *models n"]:
        """exp of ``shifted``: softmax before it is divided by ``total``."""
        powers: Floats = np.exp(self.shifted)
        return powers

    @cached_property
    def total(self) -> Float64[Array, "*models n"]:
        """Sum of ``powers``."""
        total: Floats = self.powers.sum(0)
        return total

    @cached_property
    def others(self) -> tuple[Float64[Array, "*models n"], Float64[Array, "classes *models n"]]:
        """Logit of the label, and ``z`` with -inf in its place."""
        return label_and_others(self.z, self.index)

    @cached_property
    def phi(self) -> Float64[Array, "*models n"]:
        """log p - log(1 - p) of the label."""
        return log_odds(*self.others)


def _class_first(
    logits: ArrayLike, labels: ArrayLike
) -> tuple[Float64[Array, "classes *models n"], Int64[Array, "1 *models n"]]:
    """The fields of ``Prepared``."""
    table = np.asarray(logits)
    index = np.asarray(labels)
    if table.ndim < 2 or table.shape[-1] < 2:
        raise DataError(f"logits: expected shape [..., examples, classes >= 2], got {list(table.shape)}")
    *_, examples, classes = table.shape
    if index.shape != (examples,) or index.dtype.kind not in "iu":
        raise DataError(f"labels: expected integers of shape [{examples}], got {index.dtype} {list(index.shape)}")
    outside = int(((index < 0) | (index >= classes)).sum())
    if outside:
        raise DataError(f"labels: expected values in 0..{classes - 1}, got {outside} outside; check the class order")
    moved = np.array(np.moveaxis(table, -1, 0), dtype=np.float64, order="C")
    return moved, np.broadcast_to(index.astype(np.int64), moved.shape[1:])[None]


def label_and_others(
    z: Float64[Array, "classes *models n"], index: Int64[Array, "1 *models n"]
) -> tuple[Float64[Array, "*models n"], Float64[Array, "classes *models n"]]:
    """Logit at ``index``, and ``z`` with -inf in its place."""
    at_label = np.take_along_axis(z, index, 0)[0]
    others = z.copy()
    np.put_along_axis(others, index, -np.inf, 0)
    return at_label, others


def log_odds(
    logit: Float64[Array, "*models n"], others: Float64[Array, "classes *models n"]
) -> Float64[Array, "*models n"]:
    """log p - log(1 - p) of the class with this logit, among the others."""
    largest = others.max(0)
    odds: Floats = logit - largest - np.log(np.exp(others - largest).sum(0))
    return odds
