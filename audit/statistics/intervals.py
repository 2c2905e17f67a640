"""Intervals and tests of the verdict; scalars in, scalars out, all in float64.

A *gap* is candidate minus what it is compared with, most often the mean of K retrains; a *spread* is the standard
deviation over those (divisor K - 1); an *example error* is the standard error of a gap for these very models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics import distributions as stats

Sides = Literal["two", "upper"]


@dataclass(frozen=True)
class GapError:
    """How far a gap may be off: its variance, and the degrees of freedom that this variance is known with."""

    variance: float
    df: float

    @property
    def error(self) -> float:
        """The standard error."""
        return sqrt(self.variance)

    def half_width(self, alpha: float) -> float:
        """Half-width of the interval of level 1 - 2 alpha."""
        return quantile(1 - alpha, self.df) * self.error

    def p_value(self, gap: float, margin: float, sides: Sides) -> float:
        """P-value of H0: the true gap is within the margin (one tail, doubled where both signs count)."""
        size = gap if sides == "upper" else abs(gap)
        if not self.variance:
            return 0.0 if size > margin else 1.0
        return min(1.0, (1 if sides == "upper" else 2) * tail((size - margin) / self.error, self.df))

    def plan_width(self, alpha: float, power: float = 0.8) -> float:
        """Margin at which a candidate without any true gap is within with probability ``power``."""
        return self.half_width(alpha) + quantile((1 + power) / 2, self.df) * self.error

    def fail_slack(self, tail_level: float, power: float = 0.8) -> float:
        """By how much a true gap must exceed its margin for a one-tailed test to reject with probability ``power``."""
        return (quantile(1 - tail_level, self.df) + quantile(power, self.df)) * self.error


def gap_error(example_error: float, spread: float | None, factor: float, retrains: int, d0: float) -> GapError:
    """The one formula of every interval: v = (d0 e^2 + (K - 1) c^2 s^2) / (d0 + K - 1), df = d0 + K - 1.

    example_error: e. spread: s, None below two retrains. factor: c^2, the variance of a candidate's gap over the
    retrains' leave-one-out variance. d0: as how many more retrains the examples count; infinite where the forget set is
    a random draw, so that the examples say everything. Source: docs/verdict.md, "One interval".

    >>> gap_error(0.01, 0.02, 1.0, 5, 1.0)
    GapError(variance=0.00034, df=5.0)
    """
    seeds = max(retrains - 1, 0)
    if isinf(d0) or not seeds or spread is None:
        return GapError(example_error**2, max(d0, 1.0))
    variance = (d0 * example_error**2 + seeds * factor * spread**2) / (d0 + seeds)
    return GapError(variance, d0 + seeds)


def quantile(probability: float, df: float) -> float:
    """Quantile of Student's t; of the normal distribution where df is infinite."""
    return float(stats.norm.ppf(probability) if isinf(df) else stats.t.ppf(probability, df))


def tail(value: float, df: float) -> float:
    """Probability of more than ``value``."""
    return float(stats.norm.sf(value) if isinf(df) else stats.t.sf(value, df))


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
    one_side, failures = (1 - level) / 2, trials - successes
    low = 0.0 if successes == 0 else float(stats.beta.ppf(one_side, successes, failures + 1))
    high = 1.0 if failures == 0 else float(stats.beta.isf(one_side, successes + 1, failures))
    return low, high


def null_error(members: int, nonmembers: int) -> float:
    """Standard error of the AUC of a model that ranks both alike (Mann-Whitney)."""
    return sqrt((members + nonmembers + 1) / (12 * members * nonmembers))


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


def spread_of(values: NDArray[np.float64], floor: float = 0.0) -> float | None:
    """Spread of ``values [K]``, at least ``floor``: equal shares of n examples do not prove a spread of 0; None below
    two."""
    return max(float(np.std(values, ddof=1)), floor) if len(values) > 1 else None


def fieller(
    first: float, second: float, variance_first: float, variance_second: float, covariance: float, quantile_: float
) -> tuple[float, float] | None:
    """Interval of the ratio first / second; None where the set is unbounded, as ``second`` may be zero.

    Source: Fieller 1954: all rho with (first - rho second)^2 <= q^2 (v1 - 2 rho c + rho^2 v2).
    """
    square = quantile_**2
    a = second**2 - square * variance_second
    b = first * second - square * covariance
    c = first**2 - square * variance_first
    discriminant = b**2 - a * c
    if a <= 0 or discriminant < 0:
        return None
    root = sqrt(discriminant)
    return float((b - root) / a), float((b + root) / a)
