"""An audit by canaries: examples whose membership was drawn before training, and the bound on epsilon they allow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int64

from vestige.audit.statistics.epsilon import (
    Mistakes,
    clopper_pearson_epsilon,
    credible_epsilon,
    epsilon_of_rates,
    gaussian_epsilon,
    gaussian_mu,
    one_run_epsilon,
    upper_rate,
)
from vestige.learners.arrays import Array, Floats, Mask
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import digest
from vestige.learners.seeds import numpy_generator

Assignment = Literal["coin", "half", "observed"]
"""How membership came about: a fair coin each; a random half of them; or nobody drew it."""
Method = Literal["one_run", "clopper_pearson", "gaussian", "credible"]
INDEPENDENT = "each canary is an independent trial: no canary changes another's score"
GAUSSIAN = "the training is Gaussian differentially private"
PRIOR = "Jeffreys' prior on both error rates"


@dataclass(frozen=True, eq=False)
class Planting:
    """Which of m canaries are to be trained on. included: bool ``[m]``. digest: SHA-256 over seed and included, to be
    written down before training; who has it cannot be shown another assignment afterwards."""

    included: Mask
    seed: int
    digest: str


def plant(m: int, seed: int) -> Planting:
    """A fair coin for each of ``m`` canaries. ConfigError for m below 1.

    Choose ``seed`` at random and keep it from the person who makes the scores: it gives the whole assignment.
    """
    if m < 1:
        raise ConfigError(f"canaries: expected at least 1, got {m}; a bound of epsilon 1 takes some tens")
    included = numpy_generator(seed, "canaries").integers(0, 2, m).astype(np.bool_)
    return Planting(included, seed, _digest(included, seed))


@dataclass(frozen=True)
class Bound:
    """A lower bound on epsilon at ``delta``, at confidence ``level``; never an upper limit.

    kind: ``credible`` where it is the lower end of a credible interval, which ends at ``high``. assumes: what has to
    hold as well as membership drawn at random.
    """

    epsilon: float
    delta: float
    level: float
    method: Method
    kind: Literal["bound", "credible"] = "bound"
    assumes: tuple[str, ...] = ()
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Canaries:
    """Canaries after training. included: bool ``[m]``. scores: float64 ``[m]``, higher = more member-like, made without
    a look at ``included``. assignment: how membership was drawn; declare it honestly, nothing can check it, except that
    ``Canaries.of`` holds a planting to its digest."""

    included: Array  # checked below, with a sentence for the user
    scores: Array
    assignment: Assignment

    def __post_init__(self) -> None:
        included, scores = np.asarray(self.included), np.asarray(self.scores, np.float64)
        if included.dtype != np.bool_ or included.ndim != 1 or scores.shape != included.shape or not len(scores):
            raise DataError(
                f"canaries: expected included bool [m] and scores [m], m at least 1, got {included.dtype} "
                f"{list(included.shape)} and {list(scores.shape)}"
            )
        if np.isnan(scores).any():
            raise DataError(f"canaries: expected numbers, got {int(np.isnan(scores).sum())} NaN among the scores")
        if self.assignment not in ("coin", "half", "observed"):
            raise ConfigError(f"assignment: expected coin, half or observed, got {self.assignment!r}")
        object.__setattr__(self, "included", included)
        object.__setattr__(self, "scores", scores)

    @classmethod
    def of(cls, planting: Planting, scores: Floats, registered: str) -> "Canaries":
        """The canaries of ``planting``; DataError unless its digest is the one ``registered`` before training."""
        if _digest(planting.included, planting.seed) != registered:
            raise DataError(
                f"canaries: expected the assignment registered as {registered[:16]}, got another; use the planting "
                "that was written down before training"
            )
        return cls(planting.included, scores, "coin")

    def bound(
        self,
        method: Method = "one_run",
        *,
        thresholds: Sequence[float] = (),
        guesses: tuple[int, int] | None = None,
        delta: float = 0.0,
        level: float = 0.95,
    ) -> Bound:
        """Lower bound on epsilon.

        one_run: valid for canaries of one training run. guesses: how many of the highest scores are called in, how many
        of the lowest out (ties in the order given), by default all of them, half and half; to be fixed without a look
        at ``included``. The other methods call in what reaches a threshold: one, fixed on other data, as
        ``best_threshold`` on the first of ``halves``, or several, of which the best counts after Bonferroni's
        correction; they take each canary as an independent trial, as when every score comes from a run of its own.

        ConfigError where membership was not drawn at random, or not by coins for one_run, and for thresholds or guesses
        that do not fit. Source: see ``vestige.audit.statistics.epsilon``.
        """
        if self.assignment == "observed":
            raise ConfigError(
                "epsilon: expected canaries whose membership was drawn at random before training, got membership that "
                "was only observed; it bounds nothing: plant canaries before the next training, or call it descriptive"
            )
        if method == "one_run":
            return Bound(self._one_run(guesses, delta, level), delta, level, method)
        if guesses is not None:
            raise ConfigError(f"guesses: expected for one_run only, got them with {method}; give thresholds")
        if not thresholds or (method == "credible" and len(thresholds) > 1):
            few = "exactly one" if method == "credible" else "at least one"
            raise ConfigError(f"thresholds: expected {few} for {method}, got {len(thresholds)}; fix it on other data")
        found = [self.mistakes(threshold) for threshold in thresholds]
        if method == "credible":
            low, high = credible_epsilon(found[0], delta, level)
            return Bound(low, delta, level, method, "credible", (INDEPENDENT, PRIOR), high)
        if method == "gaussian":
            mu = max(gaussian_mu(mistakes, level, len(found)) for mistakes in found)
            return Bound(gaussian_epsilon(mu, delta), delta, level, method, assumes=(INDEPENDENT, GAUSSIAN))
        best = max(clopper_pearson_epsilon(mistakes, delta, level, len(found)) for mistakes in found)
        return Bound(best, delta, level, method, assumes=(INDEPENDENT,))

    def mistakes(self, threshold: float) -> Mistakes:
        """What is wrong when scores of at least ``threshold`` are called in."""
        called, members = self.scores >= threshold, int(self.included.sum())
        return Mistakes(
            int((called & ~self.included).sum()),
            len(self.scores) - members,
            int((~called & self.included).sum()),
            members,
        )

    def halves(self, seed: int) -> tuple["Canaries", "Canaries"]:
        """A random half to choose a threshold on, and the rest to judge with it."""
        order = numpy_generator(seed, "halves of canaries").permutation(len(self.scores))
        return self._part(order[: len(order) // 2]), self._part(order[len(order) // 2 :])

    def best_threshold(self, delta: float = 0.0, level: float = 0.95) -> float:
        """The score at which ``clopper_pearson_epsilon`` is largest here; judge it on other canaries only."""
        cuts = np.unique(self.scores)
        members, nonmembers = np.sort(self.scores[self.included]), np.sort(self.scores[~self.included])
        missed = np.searchsorted(members, cuts, side="left")
        false = len(nonmembers) - np.searchsorted(nonmembers, cuts, side="left")
        tail = (1 - level) / 2
        fpr, fnr = upper_rate(false, len(nonmembers), tail), upper_rate(missed, len(members), tail)
        return float(cuts[int(np.argmax(epsilon_of_rates(fpr, fnr, delta)))])

    def _part(self, rows: Int64[Array, " n"]) -> "Canaries":
        return replace(self, included=self.included[rows], scores=self.scores[rows])

    def right_guesses(self, guesses: tuple[int, int] | None = None) -> int:
        """How many ``guesses``, as in ``bound``, are right."""
        m = len(self.scores)
        called_in, called_out = (m // 2, m - m // 2) if guesses is None else guesses
        if min(called_in, called_out) < 0 or called_in + called_out > m:
            raise ConfigError(f"guesses: expected two numbers of at least 0, at most {m} together, got {guesses}")
        order = np.argsort(self.scores, kind="stable")
        return int(self.included[order[m - called_in :]].sum()) + int((~self.included[order[:called_out]]).sum())

    def _one_run(self, guesses: tuple[int, int] | None, delta: float, level: float) -> float:
        m = len(self.scores)
        if self.assignment != "coin":
            raise ConfigError(
                "epsilon: expected a fair coin for each canary, got a random half of them; the proof of one_run needs "
                "independent coins: use plant, or the method clopper_pearson"
            )
        return one_run_epsilon(m, m if guesses is None else sum(guesses), self.right_guesses(guesses), delta, level)


def _digest(included: Mask, seed: int) -> str:
    return digest("canaries", str(seed), str(len(included)), np.packbits(included).tobytes())
