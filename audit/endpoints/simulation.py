"""Synthetic score tables with a known truth: the planning table and the tests of the verdict are made on them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from vestige.attacks.outputs.outputs import Outputs
from vestige.learners.arrays import Floats, Labels
from vestige.learners.seeds import numpy_generator

Shift = Callable[[np.random.Generator, int], Floats]
"""What having been trained on the forget examples adds to phi: ``(generator, n) -> [n]``."""


def none(random: np.random.Generator, n: int) -> Floats:
    """No shift: a model that never saw the forget examples."""
    return np.zeros(n)


def memorised(mean: float) -> Shift:
    """Exponential shifts of the given mean: few examples are remembered well, many a little."""
    return partial(_exponential, mean)


def constant(size: float) -> Shift:
    """The same shift on every forget example."""
    return partial(_full, size)


def _exponential(mean: float, random: np.random.Generator, n: int) -> Floats:
    return random.exponential(mean, n)


def _full(size: float, random: np.random.Generator, n: int) -> Floats:
    return np.full(n, size)


@dataclass(frozen=True, kw_only=True)
class World:
    """Difficulty of an example ~ N(level, difficulty squared), plus N(0, 1) for each model and example, plus on forget
    examples a seed effect ~ N(0, seed_effect squared) of the model and its shift.

    forget_difficulty: added to the level of forget examples. Retain rows have phi ~ N(3, 1) on every model. tails:
    degrees of freedom of Student noise of variance 1 in place of the normal, above 2. classes: in turn over the rows of
    a role; with one, outputs are scores without classes. others: noise of a model in the logits of the other classes,
    around N(0, 1) of the example. class_effect: standard deviation of what a model adds to all rows of a class.
    Source: docs/simulations.md.
    """

    forget: int = 2000
    unseen: int = 10_000
    retain: int = 0
    retrains: int = 10
    level: float = 2.0
    difficulty: float = 1.5
    forget_difficulty: float = 0.0
    seed_effect: float = 0.03
    retrain: Shift = none
    candidate: Shift = none
    original: Shift | None = memorised(1.5)
    tails: float | None = None
    classes: int = 10
    others: float = 0.7
    class_effect: float = 0.0

    def draw(self, seed: int) -> "Table":
        """One table: phi of retrains, candidate and original (in this order) on forget, unseen and retain rows."""
        random = numpy_generator(seed, "synthetic table")
        shifts = [self.retrain] * self.retrains + [self.candidate]
        shifts += [] if self.original is None else [self.original]
        difficulty = random.normal(self.level, self.difficulty, self.forget + self.unseen)
        difficulty[: self.forget] += self.forget_difficulty
        phi = np.empty((len(shifts), self.forget + self.unseen + self.retain))
        audited = self.forget + self.unseen
        phi[:, :audited] = difficulty + self._noise(random, (len(shifts), audited))
        phi[:, audited:] = random.normal(3.0, 1.0, (len(shifts), self.retain))
        for row, shift in zip(phi, shifts, strict=True):
            row[: self.forget] += random.normal(0.0, self.seed_effect) + shift(random, self.forget)
        table = Table(phi=phi, world=self, seed=seed)
        if self.class_effect:
            phi += random.normal(0.0, self.class_effect, (len(shifts), self.classes))[:, table.labels]
        return table

    def _noise(self, random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        if self.tails is None:
            return random.normal(size=shape)
        noise: Floats = random.standard_t(self.tails, shape) / np.sqrt(self.tails / (self.tails - 2))
        return noise


@dataclass(frozen=True, eq=False)
class Table:
    """phi ``[models, forget + unseen + retain]``; models: the retrains, the candidate, the original if there is one.
    seed: of the other classes' logits."""

    phi: Floats
    world: World
    seed: int = 0

    @property
    def labels(self) -> Labels:
        """The class of every row, ``[n]``."""
        counts = (self.world.forget, self.world.unseen, self.world.retain)
        return np.concatenate([np.arange(count) % self.world.classes for count in counts])

    @property
    def role(self) -> NDArray[np.str_]:
        """The role of every row, ``[n]``."""
        counts = (self.world.forget, self.world.unseen, self.world.retain)
        return np.repeat(np.array(["forget", "unseen", "retain"]), counts)

    @property
    def logits(self) -> Floats:
        """Logits ``[models, n, classes]``, of two classes at least, whose logit-scaled confidence is phi exactly."""
        models, n = self.phi.shape
        others = max(1, self.world.classes - 1)
        rest = np.zeros((models, n, others))
        if others > 1:
            random = numpy_generator(self.seed, "synthetic other classes")
            rest += random.normal(size=(n, others))
            rest += random.normal(0.0, self.world.others, rest.shape)
        logits = np.empty((models, n, others + 1))
        own = np.arange(others + 1) == self.labels[:, None]
        logits[:, own] = self.phi + logsumexp(rest, axis=2)
        logits[:, ~own] = rest.reshape(models, -1)
        return logits

    def outputs(self) -> Outputs:
        """The table as an audit takes it."""
        k, logits = self.world.retrains, self.logits
        original = logits[k + 1] if len(logits) > k + 1 else None
        return Outputs(labels=self.labels, role=self.role, candidate=logits[k], retrain=logits[:k], original=original)
