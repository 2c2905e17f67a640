"""Before and after: what the difference between the original and the unlearned model gives away."""

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import model_scores, no_nan
from vestige.learners.arrays import Array
from vestige.learners.errors import DataError


def before_after(original: ArrayLike, targets: ArrayLike) -> Float64[Array, "models n"]:
    """phi on the original minus phi on each target, ``[P, n]``; higher = was a member that the target has lost.

    original: phi ``[n]`` of the model before unlearning; targets: phi ``[P, n]`` of candidates and retrains. An exact
    retrain leaks here as well, for it too has lost what it did not see. Nor does the gap to the retrains decide: a
    candidate made from the original shares its chance errors, so that what it did lose shows more clearly. Report it;
    do not decide on it.
    Source: Chen et al. 2021 (arXiv 2005.02205), with the difference of logit-scaled confidences as the feature.

    >>> before_after([3.0, 1.0], [[1.0, 1.0]]).tolist()
    [[2.0, 0.0]]
    """
    before, after = np.asarray(original, np.float64), model_scores("targets", targets)
    if before.shape != after.shape[1:]:
        raise DataError(f"original: expected phi of {after.shape[1]} examples, got {list(before.shape)}")
    no_nan("original", before)
    return before - after
