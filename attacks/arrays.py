"""The checks that several attacks share."""

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError


class NotEstimable(DataError):
    """The statistic cannot be claimed from so few examples or models; the message says what would be needed."""


def model_scores(name: str, values: ArrayLike) -> Float64[Array, "models n"]:
    """``values`` as float64 ``[models, n]``, refused when they have another shape or a NaN in them."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2:
        raise DataError(f"{name}: expected scores of shape [models, examples], got {list(scores.shape)}")
    no_nan(name, scores)
    return scores


def no_nan(name: str, scores: Floats) -> None:
    """Refuse NaN: it has no rank, and a sort would put it somewhere all the same."""
    missing = int(np.isnan(scores).sum())
    if missing:
        raise DataError(
            f"{name}: expected numbers, got {missing} NaN of {scores.size}; check the logits they come from"
        )


def only_finite(name: str, scores: Floats) -> None:
    """Refuse NaN and infinity where means are taken."""
    wrong = int((~np.isfinite(scores)).sum())
    if wrong:
        raise DataError(
            f"{name}: expected finite numbers, got {wrong} of {scores.size} that are NaN or infinite; "
            "check the logits they come from"
        )


def calibration_mask(calibration: ArrayLike, examples: int) -> Bool[Array, " n"]:
    """``calibration`` as bool ``[examples]`` with at least one true value."""
    mask = np.asarray(calibration)
    if mask.dtype != np.bool_ or mask.shape != (examples,):
        raise DataError(
            f"calibration: expected a boolean mask of shape [{examples}], got {mask.dtype} {list(mask.shape)}"
        )
    if not mask.any():
        raise DataError("calibration: expected at least one unseen example, got none; give the audit more unseen data")
    return mask


def same_examples(
    name: str, scores: Float64[Array, "models n"], other_name: str, others: Float64[Array, "others m"]
) -> None:
    """Refuse two tables of scores over different numbers of examples."""
    if scores.shape[1] != others.shape[1]:
        raise DataError(
            f"{other_name}: expected scores of the {scores.shape[1]} examples of {name}, got {others.shape[1]}"
        )
