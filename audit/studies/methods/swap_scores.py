"""The SWAP test: can an adversary tell what was forgotten from what was never seen, when the two change places?

Of one split, an attack may tell forget from unseen examples by what they are; Retrain then scores above 0 as well. Here
every split (R, F, T) comes with its swap (R, T, F): one model forgets F and never saw T, the other forgets T and never
saw F. An example counts once on either side, and what it is cancels. The expected advantage over Retrain is 0 whatever
the adversary and whatever the examples, and exactly 0 for scores that do not depend on the model.
Source: Tu, Hu and Ma 2025 (arXiv 2404.11577), definition of the advantage and the SWAP test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from jaxtyping import Int64
from scipy import optimize, stats

from vestige.learners.arrays import Array, Floats, Mask
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import numpy_generator

LEAST_PAIRS = 4
"""Below so many pairs a t interval over them is too wide to say anything, and the examples alone give the interval."""


@dataclass(frozen=True, eq=False)
class SwapScores:
    """One score on the two models of every pair, higher = more member-like.

    values: float64 ``[pairs, 2, n]``. forgotten: bool ``[pairs, n]``, what the first model of the pair forgot; the
    second forgot the others, which are as many. The n examples are the same throughout. DataError for other shapes,
    NaN, and halves of different size.
    """

    values: Floats
    forgotten: Mask

    def __post_init__(self) -> None:
        shape, halves = np.shape(self.values), self.forgotten
        if len(shape) != 3 or shape[1] != 2 or halves.shape != (shape[0], shape[2]) or not all(shape):
            raise DataError(
                f"swap: expected scores [pairs, 2, n] and forgotten [pairs, n], got {list(shape)} and "
                f"{list(halves.shape)}"
            )
        if halves.dtype != np.bool_ or (2 * halves.sum(axis=1) != shape[2]).any():
            raise DataError("swap: expected each model of a pair to forget half of the examples, got other sizes")
        if np.isnan(self.values).any():
            raise DataError("swap: expected numbers, got NaN among the scores; check the logits")

    def gains(self, called: Mask) -> Floats:
        """For each pair and example ``[pairs, n]``: called forgotten by the model that forgot it, minus called so by
        the one that never saw it; 1, 0 or -1. called: bool ``[pairs, 2, n]``."""
        first, second = called[:, 0].astype(np.float64), called[:, 1].astype(np.float64)
        gains: Floats = np.where(self.forgotten, first - second, second - first)
        return gains

    def tuned(self, folds: Int64[Array, " n"]) -> Floats:
        """Thresholds ``[pairs, n]``: each example's is the one with the largest gain, over both models of the pair, on
        the examples of the other fold. folds: 0 or 1 for each example ``[n]``."""
        found = np.empty(self.forgotten.shape)
        for pair, (values, forgotten) in enumerate(zip(self.values, self.forgotten, strict=True)):
            for fold in (0, 1):
                other = folds != fold
                saw = np.where(forgotten[other], values[0, other], values[1, other])
                not_saw = np.where(forgotten[other], values[1, other], values[0, other])
                found[pair, folds == fold] = _best_threshold(saw, not_saw)
        return found


def folds_of(n: int, seed: int) -> Int64[Array, " n"]:
    """A random half of the examples each, for ``SwapScores.tuned``."""
    folds = np.zeros(n, np.int64)
    folds[numpy_generator(seed, "swap folds").permutation(n)[: n // 2]] = 1
    return folds


@dataclass(frozen=True)
class Advantage:
    """What one adversary achieves. signed: Pr[called | forgotten] - Pr[called | never seen], averaged over split and
    swap, below 0 where forgotten examples look *less* familiar. The advantage is its absolute value, in [0, 1].
    interval: of the advantage."""

    adversary: str
    signed: float
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """The advantage; an adversary may turn the sign round."""
        return abs(self.signed)


def advantage(adversary: str, gains: Floats, level: float, family: int = 1) -> Advantage:
    """The advantage behind ``gains [pairs, n]``, with a simultaneous interval over ``family`` adversaries (Bonferroni).

    From LEAST_PAIRS pairs on, Student's t over the pairs: training seeds, unlearning seeds and the choice of the halves
    count. With fewer, the examples alone count (Agresti and Min 2005, with 1/2 added to each cell), given the models
    at hand: another seed may move the value by more.
    """
    if not 0 < level < 1 or family < 1:
        raise ConfigError(
            f"swap: expected a level between 0 and 1 and at least one adversary, got {level} and {family}"
        )
    pairs, n = gains.shape
    signed, tail = float(gains.mean()), (1 - level) / (2 * family)
    if pairs >= LEAST_PAIRS:
        own = gains.mean(axis=1)
        width = float(stats.t.isf(tail, pairs - 1) * np.std(own, ddof=1) / np.sqrt(pairs))
        low, high = signed - width, signed + width
    else:
        each = gains.mean(axis=0)
        total, squares, size = float(each.sum()), float((each**2).sum()), n + 2
        width = float(stats.norm.isf(tail)) * np.sqrt(squares + 1 - total**2 / size) / size
        low, high = total / size - width, total / size + width
    if low > 0:
        interval = (low, high)
    else:
        interval = (-high, -low) if high < 0 else (0.0, max(-low, high))
    return Advantage(adversary, signed, (min(interval[0], 1.0), min(interval[1], 1.0)))


@dataclass(frozen=True)
class SwapQuality:
    """Q = 1 - the largest advantage. 1 = indistinguishable. interval: simultaneous over the adversaries."""

    value: float
    interval: tuple[float, float]
    best: str


def quality(advantages: Sequence[Advantage]) -> SwapQuality:
    """The quality that these adversaries leave; a stronger one could only lower it."""
    best = max(advantages, key=lambda adversary: adversary.value)
    low, high = (
        max(adversary.interval[0] for adversary in advantages),
        max(adversary.interval[1] for adversary in advantages),
    )
    return SwapQuality(1 - best.value, (1 - high, 1 - low), best.adversary)


def largest_advantage(epsilon: float, delta: float = 0.0) -> float:
    """The most that any adversary gains when each unlearned model is (epsilon, delta)-indistinguishable from Retrain.

    The smaller of two bounds. Tu, Hu and Ma: 2 (e^epsilon - 1 + 2 delta) / (e^epsilon + 1), twice the total variation
    to Retrain, which says nothing from epsilon = ln 3 on. And ours: the two models of a pair are both close to the same
    Retrain, therefore (2 epsilon, delta (1 + e^epsilon))-indistinguishable from each other, which gives
    tanh(epsilon) for delta = 0.

    >>> round(largest_advantage(1.0), 6), round(published_advantage(1.0), 6)
    (0.761594, 0.924234)
    """
    if epsilon > 300:
        return 1.0
    twice, slack = exp(2 * epsilon), delta * (1 + exp(epsilon))
    return min(1.0, published_advantage(epsilon, delta), (twice - 1 + 2 * slack) / (twice + 1))


def published_advantage(epsilon: float, delta: float = 0.0) -> float:
    """2 (1 - (2 - 2 delta) / (e^epsilon + 1)), the bound of Tu, Hu and Ma; above 1 it says nothing.

    >>> round(published_advantage(0.5, 1e-5), 10)
    0.4898524264
    """
    return 2 * (exp(epsilon) - 1 + 2 * delta) / (exp(epsilon) + 1)


def implied_epsilon(advantage: float, delta: float = 0.0) -> float | None:
    """The smallest epsilon at which so large an advantage is possible at all; None where no finite one allows it.

    DataError outside [0, 1]. ConfigError for a delta outside [0, 1).
    """
    if not 0 <= advantage <= 1:
        raise DataError(f"expected an advantage in [0, 1], got {advantage}")
    if not 0 <= delta < 1:
        raise ConfigError(f"delta: expected a probability of at least 0 and below 1, got {delta}; 1e-5 is usual")
    if largest_advantage(0.0, delta) >= advantage:
        return 0.0
    high = 30.0
    if largest_advantage(high, delta) < advantage or advantage == 1:
        return None
    return float(optimize.brentq(lambda epsilon: largest_advantage(epsilon, delta) - advantage, 0.0, high, xtol=1e-12))


def _best_threshold(members: Floats, others: Floats) -> float:
    """The value at which most members are called more than others; infinite where none helps."""
    cuts = np.unique(np.concatenate([members, others]))
    inside = len(members) - np.searchsorted(np.sort(members), cuts, side="left")
    outside = len(others) - np.searchsorted(np.sort(others), cuts, side="left")
    gain = inside - outside
    best = int(np.argmax(gain))
    return float(cuts[best]) if gain[best] > 0 else float(np.inf)
