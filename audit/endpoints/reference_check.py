"""Is the forget set the random draw that it is said to be? Tested on the retrains, which saw neither side.

A rejection means that the forget set differs from unseen data by nature, or that the retrains were trained on part of
it; outputs alone cannot say which. Source: docs/verdict.md, "Preconditions".
"""

from collections.abc import Iterator
from math import sqrt

import numpy as np
from scipy.special import log_expit

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.threshold import class_centred
from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.endpoints.scores import LEAST_OF_CLASS, Scores
from vestige.audit.results.evidence import Check
from vestige.audit.statistics.intervals import null_error
from vestige.learners.arrays import Floats

LEVEL = 0.01
"""False alarms of all tests together."""
TESTS = 4
LOWEST = -8.0
"""Logarithms of probabilities are cut here, so that a few hopeless examples do not decide."""


def reference_checks(scores: Scores, memory: Measured) -> tuple[Check, ...]:
    """The tests of the retrains: whether forget and unseen examples rank alike, are as likely, and vary alike between
    seeds, and whether seeds move the forget set as a whole (``memory``: M). None without retrains."""
    return tuple(_checks(scores, memory))


def _checks(scores: Scores, memory: Measured) -> Iterator[Check]:
    k = scores.retrains
    if not k:
        return
    phi = scores.phi[:k]
    centred = class_centred(phi.mean(axis=0), scores.labels, scores.calibration, LEAST_OF_CLASS)
    forget, unseen = centred[scores.forget], centred[scores.evaluation]
    if min(len(forget), len(unseen)) < 2:
        return
    yield normal_check("rank", (auc(forget, unseen) - 0.5) / null_error(len(forget), len(unseen)))
    yield normal_check("likelihood", _welch(np.maximum(log_expit(phi), LOWEST).mean(axis=0), scores))
    if k > 1:
        variances = (phi - phi[0]).var(axis=0, ddof=1)
        if variances.any():
            least = float(variances[variances > 0].min())
            yield normal_check("variance", _welch(np.log(np.maximum(variances, least)), scores))
        if memory.estimable and memory.spread is not None:
            yield seeds_check(memory.spread, len(forget), len(unseen), k)


def seeds_check(spread: float, forget: int, unseen: int, retrains: int) -> Check:
    """Do the retrains' seeds move the forget set as a whole, more than these sizes explain? The factor (K - 1) / K:
    each is scored against the others, which spreads them K / (K - 1) too wide."""
    k = retrains
    statistic = (k - 1) ** 2 * spread**2 / (k * null_error(forget, unseen) ** 2)
    p = float(stats.chi2.sf(statistic, k - 1))
    return Check("seeds", statistic, p, p < LEVEL / TESTS)


def normal_check(name: str, z: float) -> Check:
    """A two-sided test of z."""
    p = float(2 * stats.norm.sf(abs(z)))
    return Check(name, float(z), p, p < LEVEL / TESTS)


def _welch(values: Floats, scores: Scores) -> float:
    forget, unseen = values[scores.forget], values[scores.evaluation]
    error = sqrt(forget.var(ddof=1) / len(forget) + unseen.var(ddof=1) / len(unseen))
    return float((forget.mean() - unseen.mean()) / error) if error else 0.0
