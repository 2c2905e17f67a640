"""Does the candidate know the unseen examples? Then they are no yardstick, and nothing that they show can PASS."""

from dataclasses import replace
from math import sqrt

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.metrics.roc import auc_rows, threshold_at_fpr
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.tail import LEAST_FALSE_POSITIVES
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import UnseenCheck, Utility
from vestige.audit.statistics.intervals import gap_error, null_error, spread_of
from vestige.learners.arrays import Mask

LIKE_RETAINED = 0.10
"""An honest retrain was at most .06 (digits, Fashion-MNIST, CIFAR-10), a no-op that learnt the unseen set .24."""
MOVED_THRESHOLD = 1.25
"""An honest retrain was at most 1.12 where T is estimable, calibration rows made very sure gave 1.95 and more."""
TOLERATED = 0.05
"""Share of the hardest unseen rows that a candidate may get right beyond a retrain."""


def unseen_check(scores: Scores, accuracy: Utility | None, policy: Policy) -> UnseenCheck | None:
    """Four signs: it gets right what every other retrain gets wrong, among the unseen rows that calibrate, those that
    are evaluated, or both; it is more accurate on unseen examples by more than the margin; unseen examples look more
    like retained ones than under retraining; a few calibration rows are so sure that they move T's threshold.

    accuracy: utility on the unseen rows. None where classes were forgotten, and where there is nothing to compare
    with."""
    if scores.setting.of_class:
        return None
    # Who trains on part of the unseen rows trains on those that set the thresholds: they are looked at by themselves.
    parts = [_recovered(scores, part) for part in (scores.calibration, scores.evaluation, ~scores.forget)]
    found = [part for part in parts if part is not None]
    if not found and accuracy is None:
        return None
    recovered = max(found, key=lambda part: _surely(part[0], part[1], policy), default=None)
    check = UnseenCheck(
        0, None, None, None, None, *_retain_gap(scores, policy), _threshold(scores, policy), known=False
    )
    if recovered is not None:
        share, error, hard = recovered
        check = replace(check, hard=hard, recovered=share, error=error)
    if accuracy is not None:
        check = replace(check, gain=accuracy.gap, gain_interval=accuracy.interval)
    return replace(check, known=is_known(check, accuracy, policy))


def is_known(check: UnseenCheck, accuracy: Utility | None, policy: Policy) -> bool:
    """Whether what was measured says that the candidate knows unseen examples."""
    by_hard = False
    if check.recovered is not None and check.error is not None:
        by_hard = _surely(check.recovered, check.error, policy) > TOLERATED
    by_gain = accuracy is not None and accuracy.gap > accuracy.margin and accuracy.interval[0] > 0
    by_retain = check.retain_interval is not None and check.retain_interval[0] > LIKE_RETAINED
    return by_hard or by_gain or by_retain or (check.threshold or 0.0) > MOVED_THRESHOLD


def _retain_gap(scores: Scores, policy: Policy) -> tuple[float | None, tuple[float, float] | None]:
    """Gap of the AUC of unseen against retain rows, and its interval. None below two retrains."""
    k, unseen = scores.retrains, scores.parts(scores.aligned)[2]
    r = scores.retained.shape[1]
    if k < 2 or min(r, unseen.shape[1]) < 2:
        return None, None
    values = auc_rows(unseen[: k + 1], scores.retained[: k + 1])
    gap = float(values[k] - values[:k].mean())
    error = gap_error(null_error(unseen.shape[1], r), spread_of(values[:k]), 1 + 2 / k, k, 1.0)
    half = error.half_width(policy.level)
    return gap, (gap - half, gap + half)


def _threshold(scores: Scores, policy: Policy) -> float | None:
    """T's threshold on the candidate, in interquartile ranges of its calibration rows, over the retrains' largest."""
    k, calibration = scores.retrains, scores.parts(scores.residual)[1][: scores.retrains + 1]
    if k < 2 or policy.fpr * calibration.shape[1] < LEAST_FALSE_POSITIVES:
        return None
    low, high = np.quantile(calibration, [0.25, 0.75], axis=1)
    thresholds = np.array([threshold_at_fpr(row, policy.fpr) for row in calibration]) / np.maximum(high - low, 1e-12)
    largest = float(thresholds[:k].max())
    return float(thresholds[k]) / largest if largest > 0 else None


def _surely(share: float, error: float, policy: Policy) -> float:
    return share - float(stats.norm.ppf(1 - policy.level)) * error


def _recovered(scores: Scores, unseen: Mask) -> tuple[float, float, int] | None:
    """How many more of the rows ``unseen`` that every other retrain gets wrong the candidate gets right than the
    retrain left out does; the error of that share; the mean number of such rows."""
    k = scores.retrains
    if not k or scores.classless:
        return None
    right = scores.right[:, unseen] > 0.5
    gains, levels, counts = [], [], []
    for retrain in range(k):
        hard = ~np.delete(right[:k], retrain, axis=0).any(axis=0)
        if hard.any():
            gains.append(float(right[k, hard].mean() - right[retrain, hard].mean()))
            levels.append(float(right[[k, retrain]][:, hard].mean()))
            counts.append(int(hard.sum()))
    if not gains:
        return None
    level, count = float(np.mean(levels)), float(np.mean(counts))
    return float(np.mean(gains)), sqrt(2 * level * (1 - level) / count), round(count)
