"""T: the worst-exposed examples, at a false-positive rate that few unseen examples reach."""

from collections.abc import Iterator
from math import sqrt

import numpy as np

from vestige.attacks.metrics.roc import threshold_at_fpr
from vestige.audit.endpoints.memory import IN_FORCE
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent
from vestige.audit.policy import Policy
from vestige.learners.arrays import Floats

LEAST_FALSE_POSITIVES = 2
"""With fewer calibration rows beyond the threshold its false-positive rate is anybody's guess."""


def tail(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """T: TPR of the residual, each model at the threshold of its own calibration rows.

    The residual, not the memory score: that one saturates on easy examples, where a few strong leaks may sit."""
    forget, calibration, _ = scores.parts(scores.residual)
    yield tpr(forget, calibration, scores.retrains, policy, random=scores.setting.random)


def tpr(forget: Floats, calibration: Floats, retrains: int, policy: Policy, *, random: bool) -> Statistic:
    """TPR of ``forget [models, f]`` at thresholds from ``calibration [models, c]``. random: compared with the rate that
    the threshold has by itself, 1 - ceil((1 - FPR) c) / (c + 1), not with the retrains'."""
    f, c = forget.shape[1], calibration.shape[1]
    if allowed_false(policy.fpr, c) < LEAST_FALSE_POSITIVES:
        least = int(np.ceil(LEAST_FALSE_POSITIVES / policy.fpr))
        return absent(f"needs at least {least} unseen examples for calibration, got {c}", f, c)
    rate = threshold_rate(policy.fpr, c)
    thresholds = np.array([threshold_at_fpr(negatives, policy.fpr) for negatives in calibration])
    values = (forget > thresholds[:, None]).mean(axis=1)
    usual = rate if random or not retrains else float(values[:retrains].mean())
    return Statistic(
        values,
        f,
        c,
        np.array([tpr_error(value, usual, rate, f, c) for value in values[retrains:]]),
        null=rate if random else None,
        floor=1 / f,
        expected=tpr_error(usual, usual, rate, f, c),
        unseen_share=f / (f + c),
        in_force=tail_in_force(f, c, policy),
    )


def allowed_false(fpr: float, calibration: int) -> int:
    """Calibration examples that may lie above the threshold."""
    return int(np.floor(fpr * calibration + 1e-9))


def threshold_rate(fpr: float, calibration: int) -> float:
    """Rate at which a new unseen example exceeds that threshold."""
    return (allowed_false(fpr, calibration) + 1) / (calibration + 1)


def tail_in_force(forget: int, calibration: int, policy: Policy) -> bool:
    """Whether the tail is precise enough, by sizes alone, for PASS to require it."""
    rate = threshold_rate(policy.fpr, calibration)
    return IN_FORCE * sqrt(rate * (1 - rate) * (1 / forget + 1 / calibration)) <= policy.margin_tpr


def tpr_error(value: float, usual: float, rate: float, forget: int, calibration: int) -> float:
    """Example error: of the share of forget examples caught, and of the rate that the threshold really has."""
    level = min(max(rate, value, usual), 0.5)
    return sqrt(level * (1 - level) / forget + rate * (1 - rate) / calibration)
