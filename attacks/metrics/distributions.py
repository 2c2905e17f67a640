"""The few distributions that audits need, by scipy.special: ``scipy.stats`` takes longer to import than a small audit
takes in all. Names, arguments and values are those of ``scipy.stats``."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from vestige.learners.arrays import Floats

Values = Any
"""float64: a number for numbers, an array for arrays."""


class Normal:
    """The standard normal distribution."""

    def cdf(self, x: ArrayLike) -> Values:
        """Probability of at most x."""
        return np.asarray(special.ndtr(x), np.float64)[()]

    def logcdf(self, x: ArrayLike) -> Values:
        """Logarithm of the probability of at most x."""
        return np.asarray(special.log_ndtr(x), np.float64)[()]

    def sf(self, x: ArrayLike) -> Values:
        """Probability of more than x."""
        return self.cdf(np.negative(x))

    def ppf(self, q: ArrayLike) -> Values:
        """The quantile at q."""
        return np.asarray(special.ndtri(q), np.float64)[()]

    def isf(self, q: ArrayLike) -> Values:
        """The value that is exceeded with probability q."""
        return np.negative(self.ppf(q))


class Student:
    """Student's t; NaN below zero degrees of freedom and at zero."""

    def cdf(self, x: ArrayLike, df: ArrayLike) -> Values:
        """Probability of at most x."""
        return _where(np.greater(df, 0), special.stdtr(df, x))

    def sf(self, x: ArrayLike, df: ArrayLike) -> Values:
        """Probability of more than x."""
        return self.cdf(np.negative(x), df)

    def ppf(self, q: ArrayLike, df: ArrayLike) -> Values:
        """The quantile at q."""
        quantiles = np.where(np.equal(q, 0), -np.inf, special.stdtrit(df, q))  # which has +inf at 0
        return _where(np.greater(df, 0), quantiles)


class ChiSquare:
    """The chi-square distribution."""

    def sf(self, x: ArrayLike, df: ArrayLike) -> Values:
        """Probability of more than x."""
        return _where(np.greater(df, 0), special.gammaincc(np.divide(df, 2), np.divide(x, 2)))

    def ppf(self, q: ArrayLike, df: ArrayLike) -> Values:
        """The quantile at q."""
        return _where(np.greater(df, 0), 2 * special.gammaincinv(np.divide(df, 2), q))


class Beta:
    """The beta distribution on 0 to 1."""

    def cdf(self, x: ArrayLike, a: ArrayLike, b: ArrayLike) -> Values:
        """Probability of at most x."""
        return np.asarray(special.betainc(a, b, np.clip(x, 0.0, 1.0)), np.float64)[()]

    def ppf(self, q: ArrayLike, a: ArrayLike, b: ArrayLike) -> Values:
        """The quantile at q."""
        return np.asarray(special.betaincinv(a, b, q), np.float64)[()]

    def isf(self, q: ArrayLike, a: ArrayLike, b: ArrayLike) -> Values:
        """The value that is exceeded with probability q."""
        return np.asarray(special.betainccinv(a, b, q), np.float64)[()]


class Binomial:
    """The number of successes in n independent trials of probability p."""

    def sf(self, k: ArrayLike, n: ArrayLike, p: ArrayLike) -> Values:
        """Probability of more than k successes."""
        successes, trials = np.broadcast_arrays(np.floor(k), np.asarray(n, np.float64))
        inside = (successes >= 0) & (successes < trials)
        tail = special.betainc(np.where(inside, successes + 1, 1.0), np.where(inside, trials - successes, 1.0), p)
        return np.where(inside, tail, np.where(successes < 0, 1.0, 0.0))[()]


norm, t, chi2, beta, binom = Normal(), Student(), ChiSquare(), Beta(), Binomial()


def false_discovery_control(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Benjamini and Hochberg: at most a rate of those below it are false discoveries."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)
    scaled = p[order] * (len(p) / np.arange(1.0, len(p) + 1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.clip(adjusted, 0.0, 1.0)


def _where(defined: NDArray[np.bool_], values: ArrayLike) -> Values:
    return np.where(defined, values, np.nan)[()]
