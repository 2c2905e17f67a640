"""Synthetic score tables with a known truth: the planning table and the tests of the verdict are made on them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

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
    """Difficulty of an example ~ N(0, difficulty squared), plus N(0, 1) for each model and example, plus on forget
    examples a seed effect ~ N(0, seed_effect squared) of the model and its shift.

    forget_difficulty: mean difficulty of the forget examples. Retain rows have phi ~ N(3, 1) on every model. tails:
    degrees of freedom of Student noise of variance 1 in place of the normal, above 2. classes: in turn over the rows of
    a role; class_effect: standard deviation of what a model adds to all rows of a class.
    Source: verdict.md, sections 5.1 and 9.2.
    """

    forget: int = 2000
    unseen: int = 10_000
    retain: int = 0
    retrains: int = 10
    difficulty: float = 1.5
    forget_difficulty: float = 0.0
    seed_effect: float = 0.03
    retrain: Shift = none
    candidate: Shift = none
    original: Shift | None = memorised(1.5)
    tails: float | None = None
    classes: int = 1
    class_effect: float = 0.0

    def draw(self, seed: int) -> "Table":
        """One table: phi of retrains, candidate and original (in this order) on forget, unseen and retain rows."""
        random = numpy_generator(seed, "synthetic table")
        shifts = [self.retrain] * self.retrains + [self.candidate]
        shifts += [] if self.original is None else [self.original]
        difficulty = random.normal(0.0, self.difficulty, self.forget + self.unseen)
        difficulty[: self.forget] += self.forget_difficulty
        phi = np.empty((len(shifts), self.forget + self.unseen + self.retain))
        audited = self.forget + self.unseen
        phi[:, :audited] = difficulty + self._noise(random, (len(shifts), audited))
        phi[:, audited:] = random.normal(3.0, 1.0, (len(shifts), self.retain))
        for row, shift in zip(phi, shifts, strict=True):
            row[: self.forget] += random.normal(0.0, self.seed_effect) + shift(random, self.forget)
        table = Table(phi=phi, world=self)
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
    """phi ``[models, forget + unseen + retain]``; models: the retrains, the candidate, the original if there is one."""

    phi: Floats
    world: World

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
        classes = max(2, self.world.classes)
        logits = np.zeros((*self.phi.shape, classes))
        logits[:, np.arange(self.phi.shape[1]), self.labels] = self.phi + np.log(classes - 1)
        return logits

    def outputs(self) -> Outputs:
        """The table as an audit takes it."""
        k, logits = self.world.retrains, self.logits
        original = logits[k + 1] if len(logits) > k + 1 else None
        return Outputs(labels=self.labels, role=self.role, candidate=logits[k], retrain=logits[:k], original=original)
