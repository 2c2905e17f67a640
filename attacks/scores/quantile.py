"""Quantile regression: how high the target's signal is for an example like this one, learnt on unseen examples."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike
from scipy.special import digamma

from vestige.attacks.arrays import NotEstimable, calibration_mask, model_scores
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

LEAST_CALIBRATION = 50
FOLDS = 5


def quantile(phi: ArrayLike, features: ArrayLike, calibration: ArrayLike, *, seed: int) -> Float64[Array, "targets n"]:
    """(phi - expected phi) / expected deviation, ``[P, n]``; higher = member. No shadow model is needed.

    phi: ``[P, n]`` of the targets. features: float ``[n, d]``, what an example looks like without any model that was
    trained on the forget set (its class, its pixels, outputs of models that saw neither forget nor unseen examples).
    calibration: bool ``[n]``, unseen examples set aside: a boosted regression of mean and of log squared residual
    (taken out of fold) is fitted on them alone, for each target anew, so nothing is learnt from examples that are
    judged. A Gaussian head in place of a pinball loss for each level: every quantile is then the same ranking.
    Raises NotEstimable below 50 calibration examples. Source: Bertran et al. 2023 (arXiv 2307.03694), section 3.
    """
    targets, about = model_scores("phi", phi), np.asarray(features, np.float64)
    if about.ndim != 2 or len(about) != targets.shape[1]:
        raise DataError(f"features: expected [{targets.shape[1]} examples, features], got {list(about.shape)}")
    unseen = calibration_mask(calibration, len(about))
    if int(unseen.sum()) < LEAST_CALIBRATION:
        raise NotEstimable(
            f"quantile: expected at least {LEAST_CALIBRATION} calibration examples, got {int(unseen.sum())}; "
            "give the audit more unseen data"
        )
    return np.stack([_standardised(row, about, unseen, seed) for row in targets])


def _standardised(
    phi: Float64[Array, " n"], features: Float64[Array, "n features"], calibration: Bool[Array, " n"], seed: int
) -> Float64[Array, " n"]:
    from sklearn.model_selection import KFold, cross_val_predict  # slow to import

    known, value = features[calibration], phi[calibration]
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    residual = value - cross_val_predict(_regressor(seed), known, value, cv=folds)
    # A residual of exactly 0 has no logarithm; a thousandth of the common variance stands for it.
    floor = 1e-3 * float(np.mean(residual**2)) + np.finfo(np.float64).tiny
    log_square = np.log(np.maximum(residual**2, floor))
    expected = _regressor(seed).fit(known, value).predict(features)
    # Inside the calibration examples the fit has seen the value itself; their score is the one out of fold.
    expected[calibration] = value - residual
    # The logarithm of a squared standard normal has this mean.
    log_square -= digamma(0.5) + np.log(2.0)
    spread = np.exp(0.5 * _regressor(seed).fit(known, log_square).predict(features))
    scores: Floats = (phi - expected) / spread
    return scores


def _regressor(seed: int) -> "HistGradientBoostingRegressor":
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=100, learning_rate=0.05, max_leaf_nodes=15, random_state=seed)
