"""The forgetting quality of the NeurIPS 2023 unlearning competition, beside what Retrain gets against itself.

Report only, never part of a verdict: it is a maximum over many attacks of rates without a confidence bound, so even two
samples of one distribution do not score 1, and how much they score depends on how many models there are.
Source: Triantafillou et al. 2024 (arXiv 2406.09073); google-deepmind/unlearning_evaluation at ffae0ff, ``metric.py``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.learners.arrays import Floats, Mask
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

DELTA = 1e-5
CAP = 50.0
"""Epsilon where an attack makes no mistake, and where one side is so much narrower that it need not be tried."""
BIN = 0.5
PEAKED = 0.01
"""Range of the narrower side over that of the wider, below which epsilon is CAP."""
REACH = 2.0
"""How far, in units of phi, either end of an interval may lie from that end of the narrower side."""
LEAST_MODELS = 2
BLOCK = 4_000_000
"""Numbers in one array of a block of examples."""


@dataclass(frozen=True, eq=False)
class Epsilons:
    """Per example. values: float64 ``[n]`` in [0, CAP], higher = easier to tell apart. undecided: bool ``[n]``, no
    attack gave a number, and 0 stands there. models: of the one side and of the other."""

    values: Floats
    undecided: Mask
    models: tuple[int, int]

    @property
    def ceiling(self) -> float:
        """The largest epsilon short of CAP that so many models can show (one mistake on either side)."""
        few, many = sorted(self.models)
        return float(max(0.0, np.log((1 - DELTA - 1 / few) * many)))

    @property
    def bins(self) -> int:
        """How many bins score: what reaches beyond the last one scores 0. 14 for 512 models; none for 2."""
        few, many = sorted(self.models)
        # The code's ceil(log(N - 1)), for two sides of different size.
        return int(np.ceil(np.log(max(1.0, many - many / few)) - 1e-12) / BIN)

    @property
    def scores(self) -> Floats:
        """H of each example: 1 in the first bin of width 0.5, half of the one before in every other."""
        place = np.floor(self.values / BIN)
        halved: Floats = np.where(place < self.bins, 0.5**place, 0.0)
        return halved

    @property
    def quality(self) -> float:
        """F, the mean of H; 1 = indistinguishable."""
        return float(self.scores.mean())


@dataclass(frozen=True, eq=False)
class ForgettingQuality:
    """full: all unlearned against all retrained models. Three more on halves, so that their number of models agrees:
    half: half of the unlearned against half of the retrained; reference: this half of the retrained against the other.
    The last two are None below four retrained models. Compare ``half`` with ``reference``, never ``full``."""

    full: Epsilons
    half: Epsilons | None = None
    reference: Epsilons | None = None


def forgetting_quality(unlearned: ArrayLike, retrained: ArrayLike, seed: int) -> ForgettingQuality:
    """Forgetting quality of ``unlearned [N, n]`` against ``retrained [M, n]``: phi of the forget examples.

    seed: of the halves. Two samples of one normal distribution score about 0.18 from 10 models a side to 512 (0.31 to
    0.36 with single thresholds alone: the median epsilon is then ln 3, with intervals ln 5). With fewer the limits of
    resolution show: nothing between ``ceiling`` and CAP can be seen, and chance alone separates the two sides of 4 % of
    examples perfectly at 5 models, of 29 % at 3. DataError for shapes and numbers that do not fit; NotEstimable below
    two models a side.
    """
    ours, theirs = _models("unlearned", unlearned), _models("retrained", retrained)
    if ours.shape[1] != theirs.shape[1]:
        raise DataError(f"expected phi of the same examples, got {ours.shape[1]} unlearned and {theirs.shape[1]}")
    full = epsilons(ours, theirs)
    if len(theirs) < 2 * LEAST_MODELS or len(ours) < LEAST_MODELS:
        return ForgettingQuality(full)
    size = min(len(theirs) // 2, len(ours))
    order = numpy_generator(seed, "halves of the retrained").permutation(len(theirs))
    first, second = theirs[order[:size]], theirs[order[size : 2 * size]]
    some = numpy_generator(seed, "half of the unlearned").permutation(len(ours))[:size]
    return ForgettingQuality(full, epsilons(ours[some], first), epsilons(second, first))


def epsilons(unlearned: Floats, retrained: Floats, intervals: bool = True) -> Epsilons:
    """Epsilon of every example, from ``unlearned [N, n]`` and ``retrained [M, n]``, the best attack's.

    Attacks: every threshold, the side with the larger median (unlearned where equal) called where phi reaches it; and,
    unless ``intervals`` is False, every interval within REACH of the narrower side (retrained where equal), that side
    called inside. FPR = FNR = 0 gives CAP; one of them 0 is discarded, as too few models; otherwise max(log((1 - delta
    - FPR) / FNR), log((1 - delta - FNR) / FPR)), at least 0. The competition tries thresholds on a grid of 0.01 in phi;
    here is every cut that differs, so that epsilon is never smaller, and REACH is all that depends on the scale. Where
    every attack is discarded the competition's code would stop.
    """
    sizes = len(unlearned), len(retrained)
    values, undecided = np.zeros(unlearned.shape[1]), np.zeros(unlearned.shape[1], np.bool_)
    for rows in _blocks(unlearned.shape[1], sum(sizes)):
        ours, theirs = unlearned[:, rows].T, retrained[:, rows].T
        best = _thresholds(ours, theirs)
        if intervals:
            best = np.fmax(best, _intervals(ours, theirs))
        ranges = np.sort(np.stack([np.ptp(ours, axis=1), np.ptp(theirs, axis=1)]), axis=0)
        best[ranges[0] < PEAKED * ranges[1]] = np.inf
        undecided[rows] = np.isnan(best)
        values[rows] = np.clip(np.nan_to_num(best, nan=0.0), 0.0, CAP)
    return Epsilons(values, undecided, sizes)


def _thresholds(ours: Floats, theirs: Floats) -> Floats:
    """Best epsilon ``[rows]`` of all single thresholds, NaN where each was discarded; sides ``[rows, models]``."""
    swap = np.median(theirs, axis=1) > np.median(ours, axis=1)
    values, mine = _sorted(ours, theirs)
    positive = np.where(swap[:, None], ~mine, mine)
    count = np.where(swap[:, None], theirs.shape[1], ours.shape[1])
    other = values.shape[1] - count
    missed = np.cumsum(positive, axis=1) - positive  # below the value: not called
    false = other - (np.cumsum(~positive, axis=1) - ~positive)
    epsilon = _epsilon(false / other, missed / count)
    # Equal values are called together: only the first of them is a cut.
    epsilon[:, 1:][values[:, 1:] == values[:, :-1]] = np.nan
    best: Floats = np.fmax.reduce(epsilon, axis=1)
    return best


def _intervals(ours: Floats, theirs: Floats) -> Floats:
    """Best epsilon ``[rows]`` of all intervals from one value to another; sides ``[rows, models]``."""
    narrow = np.ptp(ours, axis=1) < np.ptp(theirs, axis=1)
    values, mine = _sorted(ours, theirs)
    positive = np.where(narrow[:, None], mine, ~mine)
    count = np.where(narrow[:, None], ours.shape[1], theirs.shape[1])
    other = values.shape[1] - count
    low = np.where(narrow, ours.min(1), theirs.min(1))[:, None]
    high = np.where(narrow, ours.max(1), theirs.max(1))[:, None]
    width = high - low
    outside = np.full((len(values), 1), np.inf)
    before = np.concatenate([-outside, values[:, :-1]], axis=1)
    after = np.concatenate([values[:, 1:], outside], axis=1)
    inside, wrong = np.cumsum(positive, axis=1), np.cumsum(~positive, axis=1)
    best = np.full(len(values), np.nan)
    for end in range(values.shape[1]):
        # A right end r holds the values up to this one when it is at least that and below the next; a left end l holds
        # those from a value on when it is at most that and above the one before. r is within REACH of the narrower
        # side's end, l within REACH of r - width.
        right_low = np.maximum(values[:, end : end + 1], high - REACH)
        right_high = np.minimum(after[:, end : end + 1], high + REACH)
        possible = (right_low <= right_high) & (right_low < after[:, end : end + 1])
        starts = slice(0, end + 1)
        possible = possible & (before[:, starts] < values[:, starts])
        possible &= values[:, starts] - right_low >= -width - REACH
        possible &= before[:, starts] - right_high < REACH - width
        hit = inside[:, end : end + 1] - (inside[:, starts] - positive[:, starts])
        false = wrong[:, end : end + 1] - (wrong[:, starts] - ~positive[:, starts])
        epsilon = np.where(possible, _epsilon(false / other, (count - hit) / count), np.nan)
        best = np.fmax(best, np.fmax.reduce(epsilon, axis=1))
    return best


def _epsilon(fpr: Floats, fnr: Floats) -> Floats:
    """Of rates ``[...]``: infinite without a mistake, NaN where only one is 0 or neither logarithm exists."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = np.log((1 - DELTA - fpr) / fnr), np.log((1 - DELTA - fnr) / fpr)
    found = np.maximum(np.fmax(one, two), 0.0)
    found[(fpr == 0) != (fnr == 0)] = np.nan
    found[(fpr == 0) & (fnr == 0)] = np.inf
    return found


def _sorted(ours: Floats, theirs: Floats) -> tuple[Floats, Mask]:
    """All values of each row in order, and which of them are ours, both ``[rows, models]``."""
    values = np.concatenate([ours, theirs], axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), order < ours.shape[1]


def _blocks(examples: int, models: int) -> Iterator[slice]:
    step = max(1, BLOCK // models)
    return (slice(start, start + step) for start in range(0, examples, step))


def _models(name: str, phi: ArrayLike) -> Floats:
    table = np.asarray(phi, np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise DataError(f"{name}: expected phi of shape [models, examples], got {list(table.shape)}")
    wrong = int((~np.isfinite(table)).sum())
    if wrong:
        raise DataError(f"{name}: expected finite numbers, got {wrong} that are NaN or infinite; check the logits")
    if len(table) < LEAST_MODELS:
        raise NotEstimable(f"{name}: expected at least {LEAST_MODELS} models, got {len(table)}; make more")
    return table
