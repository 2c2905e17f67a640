"""The design of a shadow bank: which model trains on what, and which outputs are kept. Nothing is trained here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vestige.learners.arrays import Indices, Labels, Mask
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.seeds import derive_seed, numpy_generator
from vestige.learners.training.augmentations import Augmentation
from vestige.learners.training.code_version import code_version
from vestige.learners.training.recipe import Recipe

OUTPUT_MODULES = (
    "vestige.attacks.shadows.design",
    "vestige.attacks.shadows.work",
    "vestige.attacks.signals.signals",
    "vestige.learners.training.augmentations",
)
"""Modules that decide, with training and inference, what a finished shadow holds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ShadowDesign:
    """Everything that determines shadow models and their outputs, apart from how many there are.

    examples, recipe: of the audit. pool: int64, rising: the examples that shadows are trained on, half of them each.
    rows: int64 ``[m]`` in the pool: those that outputs are kept of. requests: int64, rising, in ``rows``: the examples
    whose half a method is to unlearn from each shadow, split evenly for themselves; empty for none. augmentations: of
    each row, a fixed list. device: ``cpu``, ``cuda`` or ``cuda:N``; only the kind counts, since bits differ between
    kinds.

    Models 2 i and 2 i + 1 complement each other: every example is IN for one of the two. Pair i is drawn from the seed
    and its number alone, so a bank that grows keeps its balance and repeats no half. Requests and the rest are halved
    within each class (to within one example); data subjects stay whole. Raises DataError for sets that do not nest.
    """

    examples: Examples
    recipe: Recipe
    pool: Indices
    rows: Indices
    augmentations: tuple[Augmentation, ...] = (Augmentation(),)
    requests: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        sizes = len(self.pool), len(self.rows)
        if sizes[0] < 2 or not sizes[1]:
            raise DataError(f"shadows: expected a pool of at least 2 examples and one row, got {sizes[0]}, {sizes[1]}")
        if np.any(np.diff(self.pool) <= 0) or np.any(np.diff(self.requests) <= 0):
            raise DataError("shadows: expected pool and requests in rising order without repeats")
        for name, inner, outer in (("rows", self.rows, self.pool), ("requests", self.requests, self.rows)):
            outside = int((~np.isin(inner, outer)).sum())
            if outside or len(np.unique(inner)) < len(inner):
                whole = "pool" if name == "rows" else "rows"
                raise DataError(f"shadows: expected {name} inside the {whole}, each once, got {outside} outside")
        if not self.augmentations:
            raise ConfigError("shadows: expected at least one augmentation, got none")
        for augmentation in self.augmentations:
            augmentation.apply(
                self.examples.images[:1]
            )  # refuses a shift that leaves no image, before hours of training

    @cached_property
    def key(self) -> str:
        """16 digits of the digest of all of it, source code included: other settings never meet."""
        code = code_version(*OUTPUT_MODULES)
        return digest(canonical_json(self.description()), code)[:16]

    @cached_property
    def training(self) -> str:
        """16 digits of the digest of what determines the weights alone: two designs that differ in rows or
        augmentations have the same models."""
        code = code_version("vestige.attacks.shadows.design", "vestige.attacks.shadows.work")
        return digest(canonical_json(self._trained()), code)[:16]

    def description(self) -> dict[str, Any]:
        """The design as plain values."""
        kept = {"rows": _set(self.rows), "views": [augmentation.name for augmentation in self.augmentations]}
        return self._trained() | kept | {"training": self.training}

    def _trained(self) -> dict[str, Any]:
        return {
            "data": self.examples.fingerprint,
            "recipe": asdict(self.recipe),
            "pool": _set(self.pool),
            "requests": _set(self.requests),  # halves are balanced for them
            "seed": self.seed,
            "device": self.device.partition(":")[0],
        }

    def model_seed(self, model: int) -> int:
        """The seed of shadow ``model``."""
        return derive_seed(self.seed, "shadow", model)

    def trained_on(self, model: int) -> Indices:
        """Indices of the examples that shadow ``model`` is trained on, rising."""
        chosen: Indices = self.pool[self._half(model // 2) == (model % 2 == 0)]
        return chosen

    def member(self, models: int) -> Mask:
        """bool ``[models, m]``: which rows each of the first ``models`` shadows is trained on."""
        halves = [self._half(pair)[self._places] for pair in range((models + 1) // 2)]
        return np.stack([halves[k // 2] == (k % 2 == 0) for k in range(models)])

    def member_of(self, model: int) -> Mask:
        """bool ``[m]``: which rows shadow ``model`` is trained on."""
        inside: Mask = self._half(model // 2)[self._places] == (model % 2 == 0)
        return inside

    @cached_property
    def _places(self) -> Indices:
        return np.searchsorted(self.pool, self.rows)

    def forgets(self, models: int) -> Mask:
        """bool ``[models, m]``: which rows a method is to unlearn from each shadow."""
        return self.member(models) & np.isin(self.rows, self.requests)

    @cached_property
    def _strata(self) -> tuple[Labels, Labels]:
        """Number of the unit of each example of the pool (a person, or the example itself), and of each unit its
        stratum: class, and whether it is to be unlearnt. A person's are those of their first row."""
        examples = self.examples
        first = np.arange(len(self.pool))
        units = first
        if examples.subjects is not None:
            _, first, units = np.unique(examples.subjects[self.pool], return_index=True, return_inverse=True)
        requested = np.isin(self.pool, self.requests)
        return units, (2 * examples.labels[self.pool] + requested)[first]

    def _half(self, pair: int) -> Mask:
        """bool over the pool: the half of the pair's first model."""
        units, strata = self._strata
        random = numpy_generator(self.seed, "shadow pair", pair)
        order = random.permutation(len(strata))
        order = order[np.argsort(strata[order], kind="stable")]
        # Alternating along shuffled strata halves each of them, and the pool, to within one unit.
        side = np.empty(len(strata), np.bool_)
        side[order] = (np.arange(len(strata)) + random.integers(2)) % 2 == 0
        half: Mask = side[units]
        return half


def _set(indices: Indices) -> dict[str, Any]:
    return {"size": len(indices), "digest": digest(indices.astype("<i8").tobytes())}


def even(count: int) -> int:
    """A number of shadows; raises ConfigError unless it is even and at least 2."""
    if count < 2 or count % 2:
        raise ConfigError(f"shadows: expected an even number of at least 2, got {count}; shadows come in pairs")
    return count


def chunks(models: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """The models in jobs of ``size``; each model's bits are its own, however they are shared out."""
    return [tuple(models[start : start + size]) for start in range(0, len(models), size)]
