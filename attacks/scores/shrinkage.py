"""Variances of few values, shrunk towards the variance of all examples: empirical Bayes.

The prior of an example's variance is a scaled inverse chi-squared distribution. Its scale and its degrees of freedom
are found from mean and variance of the examples' log variances. Source: Smyth 2004 (Statistical Applications in
Genetics and Molecular Biology 3:3), section 6.2.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from vestige.learners.arrays import Floats


@dataclass(frozen=True, eq=False)
class Spread:
    """Sums over examples, each ``[..., 1]``, so that blocks of examples can be added up.

    examples: their number. variance: of the variances (divisor count). known: examples whose variance is above 0; logs,
    squares: of their log variances without the expected deviation at that count; noise: of the variance that these
    logarithms have by chance.
    """

    examples: int
    variance: Floats
    known: Floats
    logs: Floats
    squares: Floats
    noise: Floats

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(
            self.examples + other.examples,
            self.variance + other.variance,
            self.known + other.known,
            self.logs + other.logs,
            self.squares + other.squares,
            self.noise + other.noise,
        )

    @property
    def pooled(self) -> Floats:
        """Mean variance, ``[..., 1]``."""
        mean: Floats = self.variance / self.examples
        return mean

    def prior(self) -> tuple[Floats, Floats]:
        """Degrees of freedom (infinite where the variances differ by chance alone) and scale, each ``[..., 1]``."""
        known = np.maximum(self.known, 1)
        mean = self.logs / known
        excess = self.squares / known - mean**2 - self.noise / known
        degrees = inverse_trigamma(excess)
        finite = np.isfinite(degrees)
        half = np.where(finite, degrees, 2.0) / 2
        return degrees, np.where(finite, np.exp(mean + digamma(half) - np.log(half)), self.pooled)


def spread_of(variance: Floats, count: Floats | float) -> Spread:
    """Of ``variance [..., n]`` (divisor count) of so many values each, ``count [n]`` or a number, at least 2."""
    degrees = np.broadcast_to(np.asarray(count, np.float64) - 1, variance.shape)
    known = variance > 0
    unbiased = np.where(known, variance, 1.0) * (degrees + 1) / degrees
    logs = np.where(known, np.log(unbiased) - digamma(degrees / 2) + np.log(degrees / 2), 0.0)
    noise = np.where(known, polygamma(1, degrees / 2), 0.0)

    def over(values: Floats) -> Floats:
        total: Floats = values.sum(-1, keepdims=True)
        return total

    return Spread(
        variance.shape[-1], over(variance), over(known.astype(np.float64)), over(logs), over(logs**2), over(noise)
    )


def shrink(variance: Floats, count: Floats | float, spread: Spread) -> Floats:
    """``variance [..., n]`` shrunk towards the prior, with the divisor that it had."""
    degrees = np.asarray(count, np.float64) - 1
    prior, scale = spread.prior()
    weight = np.where(np.isfinite(prior), degrees / (np.where(np.isfinite(prior), prior, 1.0) + degrees), 0.0)
    factor = (degrees + 1) / degrees
    shrunken: Floats = weight * variance + (1 - weight) * scale / np.where(np.isfinite(prior), factor, 1.0)
    return shrunken


def inverse_trigamma(excess: Floats) -> Floats:
    """Degrees of freedom d with trigamma(d / 2) = excess, same shape; infinite where it is not above 0."""
    above = excess > 1e-8
    target = np.where(above, excess, 1.0)
    half = 0.5 + 1.0 / target
    for _ in range(60):  # Newton's method on 1 / trigamma, which is convex
        value = polygamma(1, half)
        step = value * (1 - value / target) / polygamma(2, half)
        half = half + step
        if (np.abs(step) < 1e-12 * half).all():
            break
    degrees: Floats = np.where(above, 2 * half, np.inf)
    return degrees
