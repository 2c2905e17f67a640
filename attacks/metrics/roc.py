"""ROC statistics of scores, higher = member; equal scores count as one block, and nothing is interpolated."""

import math

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable, no_nan
from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError

LEAST_FALSE_POSITIVES = 10
"""An operating point is claimed only where at least this many false positives are expected."""


def auc(members: ArrayLike, nonmembers: ArrayLike) -> float:
    """Area under the ROC curve, P(member > non-member) + P(equal) / 2, of scores ``[n]`` and ``[m]``.

    >>> round(auc([0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.35]), 10)
    0.7083333333
    """
    positive, negative = _scores("members", members), _scores("nonmembers", nonmembers)
    # Counts are integers, so that two orders of the same scores give the same bits.
    below = _twice_below_sorted(np.sort(positive), np.sort(negative))
    return float(below.sum() / (2 * len(positive) * len(negative)))


def auc_rows(members: ArrayLike, nonmembers: ArrayLike) -> Float64[Array, " models"]:
    """AUC of each model, of scores ``[models, n]`` and ``[models, m]``.

    >>> auc_rows([[2.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]).tolist()
    [0.875, 0.5]
    """
    positive, negative = np.asarray(members, np.float64), np.asarray(nonmembers, np.float64)
    if positive.ndim != 2 or negative.ndim != 2 or len(positive) != len(negative):
        raise DataError(
            "expected scores [models, members] and [models, non-members] of the same models, "
            f"got {list(positive.shape)} and {list(negative.shape)}"
        )
    return np.array([auc(*pair) for pair in zip(positive, negative, strict=True)], dtype=np.float64)


def placements(
    members: ArrayLike, nonmembers: ArrayLike
) -> tuple[Float64[Array, " members"], Float64[Array, " nonmembers"]]:
    """Placement values: share of non-members below each member, of members above each non-member.

    Ties count one half; each array has mean AUC. Source: DeLong et al. 1988, section 2 (V10 and V01).

    >>> v10, v01 = placements([0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.35])
    >>> v10.round(10).tolist(), v01.tolist()
    ([0.0, 1.0, 0.8333333333, 1.0], [0.75, 0.75, 0.625])
    """
    positive, negative = _scores("members", members), _scores("nonmembers", nonmembers)
    below = _twice_below(positive, negative) / (2 * len(negative))
    above = 1.0 - _twice_below(negative, positive) / (2 * len(positive))
    return below, above


def delong_variance(v10: ArrayLike, v01: ArrayLike) -> float:
    """Variance of an AUC from placement values ``[n]`` and ``[m]``, or of a paired difference of AUCs from
    differences of placement values; 0 where the AUC is 0 or 1, so use another interval there.

    NotEstimable below two members or two non-members. Source: DeLong et al. 1988.

    >>> round(delong_variance(*placements([0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.35])), 10)
    0.0590277778
    """
    first, second = _scores("v10", v10), _scores("v01", v01)
    if min(len(first), len(second)) < 2:
        raise NotEstimable(
            "DeLong variance: expected at least 2 members and 2 non-members, "
            f"got {len(first)} and {len(second)}; add examples"
        )
    return float(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))


def estimable(fpr: float, n_nonmembers: int, *, least_false_positives: int = LEAST_FALSE_POSITIVES) -> bool:
    """Whether so many non-members carry a claim at this FPR: n * fpr >= 10.

    >>> estimable(0.01, 1000), estimable(0.01, 999)
    (True, False)
    """
    return _allowed(fpr, n_nonmembers) >= least_false_positives


def threshold_at_fpr(calibration: ArrayLike, fpr: float) -> float:
    """Smallest t for which ``score > t`` has a false-positive rate of at most ``fpr`` on ``calibration [m]``.

    Equal scores fall on one side together; t is -inf when every score may lie above it.

    >>> threshold_at_fpr([4, 3, 3, 2, 2, 1, 1, 0, 0, 0], 0.2)
    3.0
    """
    scores = _scores("calibration", calibration)
    allowed = _allowed(fpr, len(scores))
    if allowed == len(scores):
        return -math.inf
    place = len(scores) - 1 - allowed
    return float(np.partition(scores, place)[place])


def tpr_at_fpr(
    members: ArrayLike,
    nonmembers: ArrayLike,
    fpr: float,
    *,
    least_false_positives: int = LEAST_FALSE_POSITIVES,
) -> float:
    """Largest TPR among thresholds whose FPR on these very non-members is at most ``fpr``.

    NotEstimable when fewer than ``least_false_positives`` false positives are expected. For decisions take the
    threshold from calibration scores instead (``threshold_at_fpr``).

    >>> tpr_at_fpr([5, 4, 3, 3, 1], [4, 3, 3, 2, 2, 1, 1, 0, 0, 0], 0.1, least_false_positives=0)
    0.4
    """
    positive, negative = _scores("members", members), _scores("nonmembers", nonmembers)
    if not estimable(fpr, len(negative), least_false_positives=least_false_positives):
        needed = f"{math.ceil(least_false_positives / fpr)}" if fpr else "infinitely many"
        raise NotEstimable(
            f"TPR at FPR {fpr:g}: expected at least {needed} non-members, got {len(negative)}; "
            "add unseen examples or claim a larger FPR"
        )
    return float((positive > threshold_at_fpr(negative, fpr)).mean())


def roc_curve(members: ArrayLike, nonmembers: ArrayLike) -> tuple[Float64[Array, " points"], Float64[Array, " points"]]:
    """Corner points (FPR, TPR) for every distinct score, from (0, 0) to (1, 1).

    >>> fpr, tpr = roc_curve([1, 0], [1, 0])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])
    """
    positive, negative = _scores("members", members), _scores("nonmembers", nonmembers)
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    tpr = (len(positive) - np.searchsorted(np.sort(positive), levels)) / len(positive)
    fpr = (len(negative) - np.searchsorted(np.sort(negative), levels)) / len(negative)
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def thin(fpr: ArrayLike, tpr: ArrayLike, points: int = 200) -> tuple[Float64[Array, " kept"], Float64[Array, " kept"]]:
    """At most ``points`` of the curve's own points, chosen for a log-log plot.

    Points inside straight horizontal or vertical runs go first (nothing is lost); then those are kept that divide the
    curve into equal steps of log FPR + log TPR, and some of FPR + TPR. Ends and the first rise from each axis stay.
    """
    x, y = np.asarray(fpr, np.float64), np.asarray(tpr, np.float64)
    if points < 10:
        raise ConfigError(f"points: expected at least 10, got {points}")
    inner = np.zeros(len(x), dtype=bool)
    inner[1:-1] = ((x[:-2] == x[1:-1]) & (x[1:-1] == x[2:])) | ((y[:-2] == y[1:-1]) & (y[1:-1] == y[2:]))
    x, y = x[~inner], y[~inner]
    last = len(x) - 1
    if last < points:
        return x, y
    off_left, off_bottom = int(np.searchsorted(x, 0.0, "right")), int(np.searchsorted(y, 0.0, "right"))
    always = np.array([0, off_left - 1, off_left, off_bottom - 1, off_bottom, last])
    budget = points - len(always)
    # Both sums grow along the curve, so that equal steps of them are found by bisection.
    logs = np.log(np.maximum(x, x[off_left])) + np.log(np.maximum(y, y[off_bottom]))
    steps = [(logs, budget - budget // 4), (x + y, budget // 4)]
    chosen = [np.searchsorted(along, np.linspace(along[0], along[-1], count), "right") - 1 for along, count in steps]
    keep = np.unique(np.concatenate([always, *chosen]))
    return x[keep], y[keep]


def _twice_below(scores: Float64[Array, " n"], reference: Float64[Array, " m"]) -> Int64[Array, " n"]:
    """2 * #(reference < score) + #(reference == score) for each score."""
    order = np.argsort(scores)
    counts = np.empty(len(scores), np.int64)
    counts[order] = _twice_below_sorted(scores[order], np.sort(reference))
    return counts


def _twice_below_sorted(scores: Float64[Array, " n"], reference: Float64[Array, " m"]) -> Int64[Array, " n"]:
    """The same of scores and a reference in rising order: lookups stay in cache, and only ties are looked up twice."""
    below = np.searchsorted(reference, scores, "left")
    counts = 2 * below
    tied = reference.take(below, mode="clip") == scores
    if tied.any():
        counts[tied] += np.searchsorted(reference, scores[tied], "right") - below[tied]
    return counts


def _scores(name: str, values: ArrayLike) -> Float64[Array, " n"]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or len(scores) == 0:
        raise DataError(f"{name}: expected a list of at least one score, got shape {list(scores.shape)}")
    no_nan(name, scores)
    return scores


def _allowed(fpr: float, count: int) -> int:
    """Largest k with k / count <= fpr, safe against 0.29 * 100 being 28.999..."""
    if not 0 <= fpr <= 1:
        raise ConfigError(f"fpr: expected a fraction in [0, 1], got {fpr}")
    allowed = math.floor(fpr * count)
    return allowed + 1 if count and allowed < count and (allowed + 1) / count <= fpr else allowed
