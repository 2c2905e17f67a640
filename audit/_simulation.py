"""Synthetic score tables with a known truth: the planning table and the tests of the verdict are made on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attacks import Outputs
from learners import numpy_generator

Floats = NDArray[np.float64]
Shift = Callable[[np.random.Generator, int], Floats]
"""What having been trained on the forget examples adds to phi: ``(generator, n) -> [n]``."""


def none(random: np.random.Generator, n: int) -> Floats:
    """No shift: a model that never saw the forget examples."""
    return np.zeros(n)


def memorised(mean: float) -> Shift:
    """Exponential shifts of the given mean: few examples are remembered well, many a little."""
    return lambda random, n: random.exponential(mean, n)


def constant(size: float) -> Shift:
    """The same shift on every forget example."""
    return lambda random, n: np.full(n, size)


@dataclass(frozen=True, kw_only=True)
class World:
    """Difficulty of an example ~ N(0, difficulty squared), plus N(0, 1) for each model and example, plus on forget
    examples a seed effect ~ N(0, seed_effect squared) of the model and its shift. One class.

    forget_difficulty: mean difficulty of the forget examples. Retain rows have phi ~ N(3, 1) on every model.
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

    def draw(self, seed: int) -> "Table":
        """One table: phi of retrains, candidate and original (in this order) on forget, unseen and retain rows."""
        random = numpy_generator(seed, "synthetic table")
        shifts = [self.retrain] * self.retrains + [self.candidate]
        shifts += [] if self.original is None else [self.original]
        difficulty = random.normal(0.0, self.difficulty, self.forget + self.unseen)
        difficulty[: self.forget] += self.forget_difficulty
        phi = np.empty((len(shifts), self.forget + self.unseen + self.retain))
        audited = self.forget + self.unseen
        phi[:, :audited] = difficulty + random.normal(size=(len(shifts), audited))
        phi[:, audited:] = random.normal(3.0, 1.0, (len(shifts), self.retain))
        for row, shift in zip(phi, shifts, strict=True):
            row[: self.forget] += random.normal(0.0, self.seed_effect) + shift(random, self.forget)
        return Table(phi=phi, world=self)


@dataclass(frozen=True, eq=False)
class Table:
    """phi ``[models, forget + unseen + retain]``; models: the retrains, the candidate, the original if there is one."""

    phi: Floats
    world: World

    @property
    def labels(self) -> NDArray[np.int64]:
        """All of one class, ``[n]``."""
        return np.zeros(self.phi.shape[1], np.int64)

    @property
    def role(self) -> NDArray[np.str_]:
        """The role of every row, ``[n]``."""
        counts = (self.world.forget, self.world.unseen, self.world.retain)
        return np.repeat(np.array(["forget", "unseen", "retain"]), counts)

    @property
    def logits(self) -> Floats:
        """Two-class logits ``[models, n, 2]`` whose logit-scaled confidence is phi exactly."""
        return np.stack([self.phi, np.zeros_like(self.phi)], axis=-1)

    def outputs(self) -> Outputs:
        """The table as an audit takes it."""
        k, logits = self.world.retrains, self.logits
        original = logits[k + 1] if len(logits) > k + 1 else None
        return Outputs(labels=self.labels, role=self.role, candidate=logits[k], retrain=logits[:k], original=original)
