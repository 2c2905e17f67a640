"""How much privacy an attack's mistakes refute: lower bounds on epsilon.

The functions of counts say what the formulas give. That number is a *bound* only where membership was drawn at random
before training, and ``Canaries`` is what asks for that; from a forget set that came as a request it is descriptive.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from vestige.attacks.metrics import distributions as stats
from vestige.learners.arrays import Floats
from vestige.learners.errors import ConfigError, DataError

NODES = 1000
"""Of the integral over the posterior."""
PRECISION = 1e-10
"""Of the bisection over epsilon."""


@dataclass(frozen=True)
class Mistakes:
    """What an attack got wrong at one threshold: false positives of ``nonmembers``, false negatives of ``members``."""

    false_positives: int
    nonmembers: int
    false_negatives: int
    members: int

    def __post_init__(self) -> None:
        if not (0 <= self.false_positives <= self.nonmembers and 0 <= self.false_negatives <= self.members):
            raise DataError(f"expected mistakes between 0 and the number of examples of that side, got {self}")


def clopper_pearson_epsilon(mistakes: Mistakes, delta: float = 0.0, level: float = 0.95, thresholds: int = 1) -> float:
    """max(0, log((1 - delta - FNR+) / FPR+), log((1 - delta - FPR+) / FNR+)), at confidence ``level``.

    FPR+, FNR+: exact upper bounds, half of 1 - level spent on each. thresholds: how many were looked at on these
    examples (Bonferroni); 1 only where the one was fixed on other data. Each example must be an independent trial.
    Source: Nasr et al. 2021 (arXiv 2101.04535); Clopper and Pearson 1934.

    >>> round(clopper_pearson_epsilon(Mistakes(0, 100, 0, 100)), 4)
    3.2813
    """
    fpr, fnr = _upper_rates(mistakes, delta, level, thresholds)
    return float(epsilon_of_rates(fpr, fnr, delta))


def epsilon_of_rates(fpr: ArrayLike, fnr: ArrayLike, delta: float = 0.0) -> Floats:
    """The smallest epsilon, at least 0, whose (epsilon, delta)-DP allows rates above 0 ``[...]``, elementwise.

    Source: Kairouz et al. 2015 (arXiv 1311.0776), theorem 2.1.

    >>> epsilon_of_rates([0.5, 0.1], [0.5, 0.1]).round(4).tolist()
    [0.0, 2.1972]
    """
    false, missed = np.asarray(fpr, np.float64), np.asarray(fnr, np.float64)
    # 1 at least: a numerator that is not above the rate, or not above 0, refutes nothing.
    ratio = np.maximum((1 - delta - missed) / false, (1 - delta - false) / missed)
    return np.asarray(np.log(np.maximum(ratio, 1.0)))


def gaussian_mu(mistakes: Mistakes, level: float = 0.95, thresholds: int = 1) -> float:
    """Lower bound on mu, *if* the mechanism's trade-off is that of Gaussian differential privacy; at least 0.

    mu = Phi^-1(1 - FPR+) - Phi^-1(FNR+), the rates as in ``clopper_pearson_epsilon``. The trade-off curve is assumed,
    not tested: of another mechanism (randomised response) the epsilon that follows exceeds the true one by far.
    Source: Nasr et al. 2023 (arXiv 2302.07956); Dong et al. 2022 (arXiv 1905.02383).
    """
    fpr, fnr = _upper_rates(mistakes, 0.0, level, thresholds)
    return max(0.0, float(stats.norm.isf(fpr) - stats.norm.ppf(fnr))) if max(fpr, fnr) < 1 else 0.0


def gaussian_delta(epsilon: float, mu: float) -> float:
    """Smallest delta for which mu-GDP is (epsilon, delta)-DP. Source: Dong et al. 2022, corollary 2.13.

    >>> round(gaussian_delta(1.0, 1.0), 6)
    0.126937
    """
    if mu <= 0:
        return 0.0
    lost = np.exp(epsilon + stats.norm.logcdf(-epsilon / mu - mu / 2))
    return max(0.0, float(stats.norm.cdf(-epsilon / mu + mu / 2) - lost))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Epsilon at ``delta`` of a mechanism that is mu-GDP: ``gaussian_delta`` inverted. ConfigError for delta = 0, at
    which no Gaussian mechanism has a finite epsilon."""
    if not 0 < delta < 1:
        raise ConfigError(f"delta: expected a number between 0 and 1 for mu-GDP, got {delta}; 1e-5 is usual")
    return _largest(lambda epsilon: gaussian_delta(epsilon, mu) - delta)


def one_run_p(epsilon: float, examples: int, guesses: int, correct: int, delta: float = 0.0) -> float:
    """Chance of so many correct guesses, at most, when training is (epsilon, delta) differentially private.

    examples: m, each put in by its own fair coin. guesses: r of them were guessed in or out, from what the run gave out
    alone; correct: v of those rightly. p = min(1, b + 2 m delta max_i P[v > B >= v - i] / i), where B ~ Binomial(r,
    e^epsilon / (1 + e^epsilon)) and b = P[B >= v]. Correlations between the examples do no harm.
    DataError unless 0 <= v <= r <= m. Source: Steinke et al. 2023 (arXiv 2305.08846), main theorem, and the code in the
    appendix.

    >>> round(one_run_p(0.0, 10, 10, 9), 6)
    0.010742
    """
    if not 0 <= correct <= guesses <= examples:
        raise DataError(
            f"one run: expected 0 <= correct <= guesses <= examples, got {correct}, {guesses} and {examples}"
        )
    honest = expit(epsilon)
    p = float(stats.binom.sf(correct - 1, guesses, honest))
    if delta > 0 and correct > 0:
        from scipy.stats import binom

        below = np.cumsum(binom.pmf(np.arange(correct - 1, -1, -1), guesses, honest))
        p += 2 * examples * delta * float((below / np.arange(1, correct + 1)).max())
    return min(1.0, p)


def one_run_epsilon(examples: int, guesses: int, correct: int, delta: float = 0.0, level: float = 0.95) -> float:
    """Largest epsilon that the guesses refute at ``level``, 0 when they refute none; m, r, v as in ``one_run_p``.

    A bound only where membership was drawn by fair coins and r was fixed without looking at it; ``Canaries`` asks.
    """
    _check_level(level, delta)

    def refuted(epsilon: float) -> bool:
        return one_run_p(epsilon, examples, guesses, correct, delta) < 1 - level

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high):  # ends: with all r right, p is at least (1 - e^-epsilon)^r
        low, high = high, 2 * high
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def credible_epsilon(mistakes: Mistakes, delta: float = 0.0, level: float = 0.95) -> tuple[float, float]:
    """Equal-tailed *credible* interval of epsilon: where it lies with posterior probability ``level``.

    Independent Beta posteriors of FPR and FNR under Jeffreys' prior, epsilon as in ``clopper_pearson_epsilon`` with the
    rates themselves. No confidence bound: without any mistake it begins above the exact bound (4.6, not 3.3, for 100 a
    side), and on randomised response the lower end of a 95 % interval exceeds the truth in 5 % (epsilon 0.5) to 14 %
    (epsilon 4) of runs with 100 a side, and in 4 to 10 % with 1000. Where there are mistakes it is about a fifth to a
    quarter narrower than an exact interval.
    Source: Zanella-Béguelin et al. 2023 (arXiv 2206.05199).
    """
    _check_level(level, delta)
    fpr = stats.beta.ppf((np.arange(NODES) + 0.5) / NODES, *_jeffreys(mistakes.false_positives, mistakes.nonmembers))
    posterior = _jeffreys(mistakes.false_negatives, mistakes.members)

    def above(epsilon: float) -> float:
        """Posterior probability that epsilon is larger."""
        least = np.maximum(1 - delta - np.exp(epsilon) * fpr, (1 - delta - fpr) * np.exp(-epsilon))
        return float(stats.beta.cdf(least, *posterior).mean())

    tail = (1 - level) / 2
    return _largest(lambda epsilon: above(epsilon) - (1 - tail)), _largest(lambda epsilon: above(epsilon) - tail)


def _check_level(level: float, delta: float) -> None:
    """Refuse a confidence level outside (0, 1) and a delta outside [0, 1)."""
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a confidence level between 0 and 1, got {level}; 0.95 is usual")
    if not 0 <= delta < 1:
        raise ConfigError(f"delta: expected a probability of at least 0 and below 1, got {delta}; 1e-5 is usual")


def _upper_rates(mistakes: Mistakes, delta: float, level: float, thresholds: int) -> tuple[float, float]:
    _check_level(level, delta)
    if thresholds < 1:
        raise ConfigError(f"thresholds: expected how many were looked at, at least 1, got {thresholds}")
    tail = (1 - level) / (2 * thresholds)
    return (
        float(upper_rate(mistakes.false_positives, mistakes.nonmembers, tail)),
        float(upper_rate(mistakes.false_negatives, mistakes.members, tail)),
    )


def upper_rate(successes: ArrayLike, trials: int, tail: float) -> Floats:
    """Exact upper bound ``[...]`` of a rate that is exceeded with probability at most ``tail``; 1 without trials."""
    hits = np.asarray(successes, np.float64)
    # isf has no value where every trial is a success; there the bound is 1.
    some = np.minimum(hits, trials - 1)
    bound: Floats = np.where(hits < trials, stats.beta.isf(tail, some + 1, trials - some), 1.0)
    return bound


def _jeffreys(successes: int, trials: int) -> tuple[float, float]:
    return successes + 0.5, trials - successes + 0.5


def _largest(excess: Callable[[float], float]) -> float:
    """Root of a decreasing function on [0, infinity), 0 where it is not above 0 there."""
    from scipy.optimize import brentq

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-12))
