"""Does the candidate know the unseen examples? Then they are no yardstick, and nothing that they show can PASS."""

from dataclasses import replace
from math import sqrt

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.scores import Scores
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import UnseenCheck, Utility
from vestige.learners.arrays import Mask

TOLERATED = 0.05
"""Share of the hardest unseen rows that a candidate may get right beyond a retrain."""


def unseen_check(scores: Scores, accuracy: Utility | None, policy: Policy) -> UnseenCheck | None:
    """Two signs: it gets right what every other retrain gets wrong, among the unseen rows that calibrate, those that
    are evaluated, or both; or it is more accurate on unseen examples by more than the margin.

    accuracy: utility on the unseen rows. None where classes were forgotten, and where
    there is nothing to compare with."""
    if scores.setting.of_class:
        return None
    # Who trains on part of the unseen rows trains on those that set the thresholds: they are looked at by themselves.
    parts = [_recovered(scores, part) for part in (scores.calibration, scores.evaluation, ~scores.forget)]
    found = [part for part in parts if part is not None]
    if not found and accuracy is None:
        return None
    recovered = max(found, key=lambda part: _surely(part[0], part[1], policy), default=None)
    check = UnseenCheck(0, None, None, None, None, known=False)
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
    return by_hard or by_gain


def _surely(share: float, error: float, policy: Policy) -> float:
    return share - float(stats.norm.ppf(1 - policy.alpha)) * error


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
