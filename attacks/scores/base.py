"""BASE: the log-likelihood of the label, less a share of what other models give it."""

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from vestige.attacks.arrays import model_scores, same_examples
from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError

SHARE = 0.75
"""Of the shares tried the one with the largest gap of a planted leak on Fashion-MNIST, and level with 1 on CIFAR-10;
on digits .33 is better (docs/results/memory-score.md)."""


def base(phi: ArrayLike, references: ArrayLike, share: float = SHARE) -> Float64[Array, "models n"]:
    """log p_y of each model minus ``share`` times the log of the references' mean p_y; higher = member.

    phi ``[models, n]``, references ``[K, n]``: logit-scaled confidences, p_y = sigmoid(phi). Models that never saw the
    examples are the references; a model is not to be its own. share in [0, 1]: 0 is the loss, 1 the likelihood ratio.
    DataError for arrays that do not fit. Source: Lassila et al. 2025 (arXiv 2505.24089), BASE, offline.

    >>> base([[0.0, 2.0]], [[0.0, 0.0], [0.0, 2.0]], share=1.0).round(4).tolist()
    [[0.0, 0.2442]]
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share: expected a number from 0 to 1, got {share}")
    models, others = model_scores("phi", phi), model_scores("references", references)
    same_examples("phi", models, "references", others)
    # A reference that is certain of another class gives a probability of 0, whose logarithm has no use.
    least = np.finfo(np.float64).smallest_normal
    scores: Float64[Array, "models n"] = log_expit(models) - share * np.log(np.maximum(expit(others).mean(0), least))
    return scores
