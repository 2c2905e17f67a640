"""Label-only: an example that stays right under many augmentations was probably trained on."""

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError


def augmentation_vote(decisions: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Share of augmentations whose decision is the label, ``[..., n]``; higher = member.

    decisions: predicted classes, integers ``[..., augmentations, n]`` (leading axes, e.g. models). labels ``[n]``. Only
    decisions are read. Scores are multiples of 1 / augmentations, so there are many ties; with OUT shadows,
    ``difficulty`` or ``attack_r`` on these votes removes an example's difficulty.
    Source: Choquette-Choo et al. 2021 (arXiv 2007.14321), section 4.2 (augmentation attack), as a vote.

    >>> augmentation_vote([[0, 1], [0, 2], [1, 1]], [0, 1]).round(6).tolist()
    [0.666667, 0.666667]
    """
    predicted, truth = np.asarray(decisions), np.asarray(labels)
    if predicted.ndim < 2 or predicted.dtype.kind not in "iu" or truth.shape != predicted.shape[-1:]:
        raise DataError(
            "label-only: expected integer decisions [..., augmentations, n] and labels [n], "
            f"got {predicted.dtype} {list(predicted.shape)} and {list(truth.shape)}"
        )
    share: Floats = (predicted == truth).mean(-2)
    return share
