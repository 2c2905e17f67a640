"""Drawing examples so that their classes are mixed as in another set, in whole numbers."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

Counts: TypeAlias = Int64[NDArray[np.int64], " classes"]


def allocate(counts: Counts, available: Counts, size: int) -> Counts:
    """How many of each class to draw so that ``size`` examples are mixed like ``counts``, by largest remainder.

    Equal remainders go to the lower class. A class with fewer available
    than its share gives all it has, and the others share what is missing; a class that ``counts`` lacks gives none.
    ``size`` must be at most the number available in the classes of ``counts``.
    """
    sampled = np.zeros_like(counts)
    open_ = (counts > 0) & (available > 0)
    while (missing := size - int(sampled.sum())) > 0:
        quota = _largest_remainder(np.where(open_, counts, 0), missing)
        short = open_ & (quota > available)
        if not short.any():
            return sampled + quota
        sampled[short] = available[short]
        open_ &= ~short
    return sampled


def _largest_remainder(counts: Counts, size: int) -> Counts:
    total = int(counts.sum())
    quota, remainder = np.divmod(counts * size, total)
    extra = size - int(quota.sum())
    quota[np.argsort(-remainder, kind="stable")[:extra]] += 1
    return quota


def largest_match(counts: Counts, available: Counts) -> int:
    """The largest size that ``allocate`` can give without any class running short.

    Classes of ``counts`` with none available are left out of account.
    """
    open_ = (counts > 0) & (available > 0)
    if not open_.any():
        return 0
    return int((available[open_] * counts[open_].sum() // counts[open_]).min())


def mix_distance(a: Counts, b: Counts) -> float:
    """Total variation between two class mixes: 0 for the same shares, 1 for no class in common."""
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)
