"""What every signal is made of: logits with the classes first, and what several signals need of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import Floats, Labels
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class Prepared:
    """Logits ready for every signal, so that what several of them need is computed once.

    z: a float64 copy ``[classes, ..., n]`` (sums over the first axis run at memory speed and in an order that does not
    depend on the batch). index ``[1, ..., n]``: the labels, as an index into it.
    """

    z: Floats
    index: Labels

    @classmethod
    def of(cls, logits: ArrayLike, labels: ArrayLike) -> "Prepared":
        """Raises DataError for shapes that do not fit and for labels outside."""
        return cls(*_class_first(logits, labels))

    @cached_property
    def top(self) -> Labels:
        """Index ``[1, ..., n]`` of the largest logit, of equal ones the first."""
        top: Labels = self.z.argmax(0)[None]
        return top

    @cached_property
    def shifted(self) -> Floats:
        """z minus the largest."""
        return self.z - np.take_along_axis(self.z, self.top, 0)

    @cached_property
    def powers(self) -> Floats:
        """exp of ``shifted``: softmax before it is divided by ``total``."""
        powers: Floats = np.exp(self.shifted)
        return powers

    @cached_property
    def total(self) -> Floats:
        """Sum of ``powers``, ``[..., n]``."""
        total: Floats = self.powers.sum(0)
        return total

    @cached_property
    def others(self) -> tuple[Floats, Floats]:
        """Logit of the label ``[..., n]``, and ``z`` with -inf in its place."""
        return own_and_others(self.z, self.index)

    @cached_property
    def phi(self) -> Floats:
        """log p - log(1 - p) of the label, ``[..., n]``."""
        return log_odds(*self.others)


def _class_first(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Labels]:
    """A float64 copy ``[classes, ..., n]`` (sums over the first axis run at memory speed and in an order that does not
    depend on the batch) and the labels as an index ``[1, ..., n]`` into it."""
    given = np.asarray(logits)
    index = np.asarray(labels)
    if given.ndim < 2 or given.shape[-1] < 2:
        raise DataError(f"logits: expected shape [..., examples, classes >= 2], got {list(given.shape)}")
    *_, examples, classes = given.shape
    if index.shape != (examples,) or index.dtype.kind not in "iu":
        raise DataError(f"labels: expected integers of shape [{examples}], got {index.dtype} {list(index.shape)}")
    outside = int(((index < 0) | (index >= classes)).sum())
    if outside:
        raise DataError(f"labels: expected values in 0..{classes - 1}, got {outside} outside; check the class order")
    moved = np.array(np.moveaxis(given, -1, 0), dtype=np.float64, order="C")
    return moved, np.broadcast_to(index.astype(np.int64), moved.shape[1:])[None]


def own_and_others(z: Floats, index: Labels) -> tuple[Floats, Floats]:
    """Logit at ``index [1, ..., n]`` as ``[..., n]``, and ``z [classes, ..., n]`` with -inf in its place."""
    own = np.take_along_axis(z, index, 0)[0]
    others = z.copy()
    np.put_along_axis(others, index, -np.inf, 0)
    return own, others


def log_odds(own: Floats, others: Floats) -> Floats:
    """log p - log(1 - p) of the class whose logit is ``own [..., n]``, among ``others [classes, ..., n]``."""
    largest = others.max(0)
    odds: Floats = own - largest - np.log(np.exp(others - largest).sum(0))
    return odds
