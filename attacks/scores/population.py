"""The population attack: an example's place among unseen examples on the very same model."""

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import calibration_mask, no_nan
from vestige.learners.arrays import Array
from vestige.learners.errors import DataError


def population(
    scores: ArrayLike, labels: ArrayLike, calibration: ArrayLike, *, per_class: bool = False
) -> Float64[Array, "*models n"]:
    """Share of calibration examples whose signal is smaller, ``[..., n]`` in [0, 1]; higher = member.

    scores: a signal ``[..., n]``. labels ``[n]``. calibration: bool ``[n]``, unseen examples set aside; ties count
    against membership. A score of at least 1 - f means: beyond the cut that has a false-positive rate of at most f on
    the calibration examples. per_class: among calibration examples of the same class; a class without any uses all.
    Source: Ye et al. 2022 (arXiv 2111.09679), attack P.

    >>> population([2.0, 5.0, 1.0, 2.0, 3.0], [0] * 5, [False, False, True, True, True]).round(6).tolist()
    [0.333333, 1.0, 0.0, 0.333333, 0.666667]
    """
    table, kinds = np.asarray(scores, np.float64), np.asarray(labels)
    if table.ndim < 1 or kinds.shape != table.shape[-1:]:
        raise DataError(f"expected scores [..., n] and labels [n], got {list(table.shape)} and {list(kinds.shape)}")
    no_nan("scores", table)
    unseen = calibration_mask(calibration, len(kinds))
    places = np.empty_like(table)
    for label in np.unique(kinds) if per_class else [None]:
        of_class = np.ones(len(kinds), bool) if label is None else kinds == label
        peers = of_class & unseen if (of_class & unseen).any() else unseen
        for row, out in zip(table.reshape(-1, len(kinds)), places.reshape(-1, len(kinds)), strict=True):
            ranked = np.sort(row[peers])
            out[of_class] = np.searchsorted(ranked, row[of_class], side="left") / len(ranked)
    return places
