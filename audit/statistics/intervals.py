"""Intervals, tests and planning formulas of the verdict; scalars in, scalars out, all in float64.

A *gap* is candidate minus the mean of K retrains; a *spread* is the standard deviation over those (divisor K - 1).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics import distributions as stats

Sides = Literal["two", "upper"]


def t_quantile(probability: float, retrains: int) -> float:
    """Quantile of Student's t with ``retrains - 1`` degrees of freedom."""
    return float(stats.t.ppf(probability, retrains - 1))


def seed_error(spread: float, retrains: int) -> float:
    """Standard error of a gap: a new seed against the mean of ``retrains`` seeds."""
    return float(spread * np.sqrt(1 + 1 / retrains))


def half_width(spread: float, retrains: int, alpha: float) -> float:
    """Half-width of the seed-t interval of a gap, level 1 - 2 alpha (the PASS interval)."""
    return t_quantile(1 - alpha, retrains) * seed_error(spread, retrains)


def plan_width(spread: float, retrains: int, alpha: float, power: float = 0.8) -> float:
    """Margin at which a candidate without any true gap is within with probability ``power``."""
    slack = t_quantile((1 + power) / 2, retrains) * seed_error(spread, retrains)
    return half_width(spread, retrains, alpha) + slack


def spread_factor(retrains: int, level: float = 0.95) -> float:
    """Factor by which the true standard deviation may exceed the spread over the retrains, at ``level`` (normal)."""
    return float(np.sqrt((retrains - 1) / stats.chi2.ppf(1 - level, retrains - 1)))


def bonferroni_half_width(spread: float, retrains: int, alpha: float, family: float) -> float:
    """Half-width of the two-sided simultaneous interval of a gap over ``family`` endpoints: with weights, the sum of
    all over the endpoint's own."""
    return t_quantile(1 - alpha / (2 * family), retrains) * seed_error(spread, retrains)


def fail_slack(spread: float, retrains: int, alpha: float, family: int, sides: Sides, power: float = 0.8) -> float:
    """By how much a true gap must exceed its margin for the FAIL test to reject with probability ``power``, taken at
    the first step of Holm's adjustment over ``family`` endpoints."""
    tail = alpha / family if sides == "upper" else alpha / (2 * family)
    return (t_quantile(1 - tail, retrains) + t_quantile(power, retrains)) * seed_error(spread, retrains)


def fail_p(gap: float, margin: float, error: float, retrains: int, sides: Sides = "two") -> float:
    """P-value of the FAIL test, H0: the true gap is within the margin (one tail doubled when both signs count)."""
    if sides == "upper":
        return float(stats.t.sf((gap - margin) / error, retrains - 1))
    return min(1.0, 2 * float(stats.t.sf((abs(gap) - margin) / error, retrains - 1)))


def fail_p_normal(gap: float, margin: float, error: float, sides: Sides = "two") -> float:
    """The FAIL test with a standard error that comes from many examples (normal in place of t)."""
    if error == 0:
        return 1.0
    if sides == "upper":
        return float(stats.norm.sf((gap - margin) / error))
    return min(1.0, 2 * float(stats.norm.sf((abs(gap) - margin) / error)))


def holm(p_values: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, ...]:
    """Holm-adjusted p-values, in the order given; weights: positive, None for equal ones (Holm 1979, sections 2, 5).

    >>> holm([0.01, 0.04]), holm([0.01, 0.04], [1.0, 3.0])
    ((0.02, 0.04), (0.04, 0.05333333333333334))
    """
    p = np.asarray(p_values, np.float64)
    weight = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(p / weight, kind="stable")
    still = np.cumsum(weight[order][::-1])[::-1]
    steps = np.maximum.accumulate(p[order] / weight[order] * still)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return tuple(float(value) for value in adjusted)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a share; its ends are one-sided bounds of level (1 + level) / 2."""
    tail, failures = (1 - level) / 2, trials - successes
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, failures + 1))
    high = 1.0 if failures == 0 else float(stats.beta.isf(tail, successes + 1, failures))
    return low, high


def randomisation_p(candidate: float, retrains: Sequence[float], null: float = 0.0) -> float:
    """Share of models at least as far from the null value as the candidate, itself included; to report, not to decide:
    it cannot fall below 1 / (K + 1)."""
    distance = abs(candidate - null)
    return (1 + sum(abs(value - null) >= distance for value in retrains)) / (len(retrains) + 1)


def auc_interval(auc: float, variance: float, members: int, nonmembers: int, alpha: float) -> tuple[float, float]:
    """Interval of one AUC, level 1 - 2 alpha, inside [0, 1] and never of zero width.

    variance: DeLong's. At AUC 0 or 1, where that variance is 0 without meaning anything, the exact bound on a share
    with no exception among the smaller group takes its place; with fewer than two examples a side, nothing is known.
    """
    few = min(members, nonmembers)
    if few < 2:
        return 0.0, 1.0
    if variance > 0:
        width = float(stats.norm.ppf(1 - alpha) * np.sqrt(variance))
        return max(0.0, auc - width), min(1.0, auc + width)
    slack = 1 - clopper_pearson(few, few, 1 - 2 * alpha)[0]
    return max(0.0, auc - slack), min(1.0, auc + slack)


def floored_spread(values: NDArray[np.float64], resolution: float) -> float:
    """Spread of ``values [K]``, at least ``resolution``: equal shares of n examples do not prove a spread of 0."""
    return max(float(np.std(values, ddof=1)), resolution)


def detectable_auc(members: int, nonmembers: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Gap of one model's AUC from 0.5 that a two-sided test detects with probability ``power`` (null variance)."""
    variance = (members + nonmembers + 1) / (12 * members * nonmembers)
    return float((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) * np.sqrt(variance))


def detectable_tpr(members: int, fpr: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest TPR above ``fpr`` that a one-sided exact binomial test detects, threshold fixed (steps of fpr / 50)."""
    from scipy.stats import binom

    critical = int(binom.isf(alpha, members, fpr)) + 1
    rates = np.arange(fpr, 1.0, fpr / 50)
    detected = np.flatnonzero(stats.binom.sf(critical - 1, members, rates) >= power)
    return float(rates[detected[0]]) if len(detected) else 1.0


def epsilon_of_margin(margin: float) -> float:
    """The epsilon of pure differential privacy that allows an AUC of 0.5 + ``margin``; descriptive, not a bound."""
    return float(2 * np.arctanh(2 * margin))
