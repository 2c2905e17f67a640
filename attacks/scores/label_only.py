"""Label-only: an example that stays right under many views was probably trained on."""

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import Floats
from vestige.learners.errors import DataError


def augmentation_vote(decisions: ArrayLike, labels: ArrayLike) -> Floats:
    """Share of views whose decision is the label, ``[..., n]``; higher = member.

    decisions: predicted classes, integers ``[..., views, n]`` (leading axes, e.g. models). labels ``[n]``. Nothing but
    decisions is read. Scores are multiples of 1 / views, so there are many ties; with OUT shadows, ``difficulty`` or
    ``attack_r`` on these votes takes an example's own difficulty out.
    Source: Choquette-Choo et al. 2021 (arXiv 2007.14321), section 4.2 (augmentation attack), as a vote.

    >>> augmentation_vote([[0, 1], [0, 2], [1, 1]], [0, 1]).round(6).tolist()
    [0.666667, 0.666667]
    """
    asked, truth = np.asarray(decisions), np.asarray(labels)
    if asked.ndim < 2 or asked.dtype.kind not in "iu" or truth.shape != asked.shape[-1:]:
        raise DataError(
            "label-only: expected integer decisions [..., views, n] and labels [n], "
            f"got {asked.dtype} {list(asked.shape)} and {list(truth.shape)}"
        )
    share: Floats = (asked == truth).mean(-2)
    return share
