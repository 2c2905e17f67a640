"""CODEC, a coefficient of (conditional) dependence, and FOCI, the selection of variables that uses it.

Source of both: Azadkia and Chatterjee 2021, "A simple measure of conditional dependence", Annals of Statistics 49.
"""

import numpy as np
from scipy.spatial import cKDTree

from vestige.learners.arrays import Floats, Indices

JITTER = 1e-6
"""Noise on variables of standard deviation 1: enough to part equal values, too little to move others."""


def codec(y: Floats, z: Floats) -> float:
    """T(Y, Z): how much Z says about Y, 0 for nothing and 1 for everything in large samples; may be below 0.

    y ``[n]``, z ``[n]`` or ``[n, k]``. NaN where y is constant. Equal values of z leave the neighbour to chance of
    order; part them before.
    """
    rank, above = _ranks(y), _ranks(-y)
    return float(_unconditional(rank, above, _neighbours(z)[:, None])[0])


def conditional_codec(y: Floats, z: Floats, x: Floats) -> float:
    """T(Y, Z | X): how much Z says about Y beyond what X says; 0 for nothing and 1 for everything else.

    y ``[n]``; z, x ``[n]`` or ``[n, k]``. NaN where x determines y already.
    """
    rank = _ranks(y)
    known = np.minimum(rank, rank[_neighbours(x)])
    return _conditional(rank, known, z, x)


def foci(y: Floats, variables: Floats, random: np.random.Generator, *, most: int, offered: int) -> list[int]:
    """Columns of ``variables`` ``[n, k]``, the most informative about y ``[n]`` first, then the one that adds most
    to those chosen, until none adds anything or ``most`` are chosen. All take part in the first choice, the
    ``offered`` that are most informative by themselves in the later ones.

    Constant columns are never chosen; the list is empty when all are. Columns are scaled to standard deviation 1, and
    tiny noise from ``random`` parts equal values, of y too.
    """
    deviation = variables.std(axis=0)
    varying = np.flatnonzero(deviation > 1e-12 * np.maximum(1.0, np.abs(variables).max(axis=0, initial=0.0)))
    if len(varying) == 0:
        return []
    columns = variables[:, varying] / deviation[varying]
    columns = columns + JITTER * random.standard_normal(columns.shape)
    rank = np.empty(len(y))
    rank[np.lexsort((random.random(len(y)), y))] = np.arange(1, len(y) + 1)
    alone = _unconditional(rank, len(y) + 1 - rank, _neighbours_by_column(columns))
    best_first = np.argsort(-alone, kind="stable")[:offered]
    chosen = [int(best_first[0])]
    while len(chosen) < min(most, len(best_first)):
        selected = columns[:, chosen]
        known = np.minimum(rank, rank[_neighbours(selected)])
        left = [int(k) for k in best_first if k not in chosen]
        gains = [_conditional(rank, known, columns[:, k], selected) for k in left]
        best = int(np.argmax(gains))
        if not gains[best] > 0:
            break
        chosen.append(left[best])
    return [int(varying[k]) for k in chosen]


def _unconditional(rank: Floats, above: Floats, neighbours: Indices) -> Floats:
    """T for each column of neighbours ``[n, k]``."""
    n = len(rank)
    below = np.minimum(rank[:, None], rank[neighbours])
    with np.errstate(invalid="ignore", divide="ignore"):
        values: Floats = (n * below.sum(0) - (above**2).sum()) / np.float64((above * (n - above)).sum())
    return values


def _conditional(rank: Floats, known: Floats, z: Floats, x: Floats) -> float:
    both = np.minimum(rank, rank[_neighbours(np.column_stack([x, z]))])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((both - known).sum() / np.float64((rank - known).sum()))


def _ranks(y: Floats) -> Floats:
    """How many values are at most this one."""
    return np.searchsorted(np.sort(y), y, side="right").astype(np.float64)


def _neighbours(points: Floats) -> Indices:
    """Position of the nearest other point."""
    if points.ndim == 1:
        return _neighbours_by_column(points[:, None])[:, 0]
    _, two = cKDTree(points).query(points, k=2)
    itself = np.arange(len(points))
    nearest: Indices = np.where(two[:, 1] == itself, two[:, 0], two[:, 1])
    return nearest


def _neighbours_by_column(columns: Floats) -> Indices:
    """The same for each column ``[n, k]`` by itself, by sorting."""
    n, k = columns.shape
    order = np.argsort(columns, axis=0, kind="stable")
    gaps = np.diff(np.take_along_axis(columns, order, axis=0), axis=0)
    open_end = np.full((1, k), np.inf)
    down = np.concatenate([open_end, gaps]) <= np.concatenate([gaps, open_end])
    adjacent = np.take_along_axis(order, np.arange(n)[:, None] + np.where(down, -1, 1), axis=0)
    nearest = np.empty((n, k), dtype=np.int64)
    np.put_along_axis(nearest, order, adjacent, axis=0)
    return nearest
