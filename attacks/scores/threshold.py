"""Threshold attacks: one cut on a signal for the whole population, or one for each class."""

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import calibration_mask, no_nan
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError


def class_centred(
    scores: ArrayLike, labels: ArrayLike, calibration: ArrayLike, least: int = 1
) -> Float64[Array, "*models n"]:
    """Scores ``[..., n]`` minus the median over calibration examples of the same class *on the same model*.

    labels ``[n]``; calibration bool ``[n]``: unseen examples set aside for this. A class with fewer than ``least`` of
    them uses the median over all of them. One ROC sweep over the result then cuts each class at its own threshold.
    Source: Song and Mittal 2021 (arXiv 2003.10595), section 4.3, as centring instead of one cut per class.

    >>> class_centred([5.0, 1.0, 3.0, 9.0], [0, 0, 0, 1], [False, True, True, True]).tolist()
    [3.0, -1.0, 1.0, 0.0]
    """
    table = np.asarray(scores, dtype=np.float64)
    kinds = np.asarray(labels)
    if table.ndim < 1 or kinds.shape != table.shape[-1:]:
        raise DataError(f"expected scores [..., n] and labels [n], got {list(table.shape)} and {list(kinds.shape)}")
    no_nan("scores", table)
    unseen = calibration_mask(calibration, len(kinds))
    present, index = np.unique(kinds, return_inverse=True)
    return table - _class_medians(table.compress(unseen, axis=-1), index[unseen], len(present), least).take(
        index, axis=-1
    )


def _class_medians(
    scores: Float64[Array, "*models m"], index: Int64[Array, " m"], classes: int, least: int
) -> Float64[Array, "*models {classes}"]:
    """Median of the scores over each class of ``index``, by one sort per model."""
    order = np.lexsort((scores, np.broadcast_to(index, scores.shape)), axis=-1)
    ranked = np.take_along_axis(scores, order, -1)
    count = np.bincount(index, minlength=classes)
    start = np.cumsum(count) - count
    # A class without calibration examples reads some valid place here and is overwritten below.
    low = np.minimum(start + np.maximum(count - 1, 0) // 2, scores.shape[-1] - 1)
    high = np.minimum(start + count // 2, scores.shape[-1] - 1)
    overall = np.median(scores, axis=-1)[..., None]
    medians: Floats = np.where(count >= least, (ranked[..., low] + ranked[..., high]) / 2, overall)
    return medians
