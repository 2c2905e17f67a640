"""Normal distributions of a signal over shadow models, one for each example and augmentation: the basis of LiRA.

A distribution is fitted to some models' values ``[models, augmentations, n]`` with a mask ``[models, n]`` that says
which of them count for an example: those that trained on it (IN), those that did not (OUT), those that forgot it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike, NDArray

from vestige.attacks.arrays import NotEstimable, only_finite
from vestige.attacks.scores.shrinkage import shrink, spread_of
from vestige.learners.arrays import Array, Floats, Labels
from vestige.learners.errors import ConfigError, DataError

Variance = Literal["auto", "fixed", "per_example", "shrunken"]
Rule = Literal["fixed", "per_example", "shrunken"]
Centre = Literal["mean", "median"]
Tables = Sequence[NDArray[np.floating[Any]]] | NDArray[np.floating[Any]]
"""One table ``[augmentations, n]`` (or ``[n]``: a single one) for each model, in memory or mapped."""

PER_EXAMPLE_FROM = 64
"""Shadows from which ``auto`` takes a variance for each example (Carlini et al. 2022, section VI-D)."""

FLOOR = 0.01
"""Least variance of an example, as a share of the pooled one: a tenth of its standard deviation."""

BLOCKS = 32
"""Least number of blocks of examples, where there are enough examples."""

BLOCK_VALUES = 2**16
"""Values of all models that are worked on at a time, so that a block of examples stays in cache."""


@dataclass(frozen=True, eq=False)
class Moments:
    """count: models that the mask selects. mean, variance: of their values, divisor count."""

    count: Labels
    mean: Float64[Array, "augmentations n"]
    variance: Float64[Array, "augmentations n"]


@dataclass(frozen=True, eq=False)
class Normals:
    """floored: (augmentation, example) pairs whose variance was raised to the floor."""

    mean: Float64[Array, "augmentations n"]
    variance: Float64[Array, "augmentations n"]
    floored: int

    def log_density(self, values: Float64[Array, "*models augmentations n"]) -> Float64[Array, "*models n"]:
        """Mean over augmentations of the log density of ``values``, without the constant."""
        density = -0.5 * (values - self.mean) ** 2 / self.variance - 0.5 * np.log(self.variance)
        averaged: Floats = density.mean(-2)
        return averaged

    def standardised(self, values: Float64[Array, "*models augmentations n"]) -> Float64[Array, "*models n"]:
        """Mean over augmentations of (value - mean) / deviation."""
        averaged: Floats = ((values - self.mean) / np.sqrt(self.variance)).mean(-2)
        return averaged


def fit(tables: Tables, mask: ArrayLike, rule: Rule, *, side: str, least: int = 2, centre: Centre = "mean") -> Normals:
    """The normal distributions of the models that the mask selects.

    tables: of N models. mask: bool ``[N, n]``. least: models that each example needs. side: IN or OUT, for messages.
    Raises NotEstimable where an example has fewer, DataError where all models give the same values everywhere.
    """
    moments = moments_of(tables, mask, centre=centre)
    fewest = int(moments.count.min())
    if fewest < least:
        raise NotEstimable(
            f"LiRA: expected at least {least} {side} shadows for each example, got {fewest} for "
            f"{int((moments.count < least).sum())} examples; train more shadows"
        )
    return settle(moments, rule, side=side)


def resolve(variance: Variance, models: int) -> Rule:
    """The rule that ``auto`` stands for with so many shadows."""
    if variance not in get_args(Variance):
        raise ConfigError(f"variance: expected one of {', '.join(get_args(Variance))}, got {variance!r}")
    if variance != "auto":
        return variance
    return "per_example" if models >= PER_EXAMPLE_FROM else "fixed"


def moments_of(tables: Tables, mask: ArrayLike, *, centre: Centre = "mean") -> Moments:
    """Moments of the selected models, a block of examples at a time; 0 for an example without a model."""
    selected = mask_of(mask, len(tables))
    count = selected.sum(0)
    means, variances = [], []
    for block, values in blocks(tables, selected.shape[1]):
        inside = selected[:, block].astype(np.float64)
        divisor = np.maximum(count[block], 1)
        level = values.mean(0)
        values -= level  # the squares then lose no digits to what all models share
        mean = np.einsum("nvb,nb->vb", values, inside) / divisor
        square = np.einsum("nvb,nvb,nb->vb", values, values, inside) / divisor
        variances.append(np.maximum(square - mean**2, 0.0))
        if centre == "median":
            mean = _medians(values, inside, count[block])
        means.append(mean + level)
    return Moments(count, np.concatenate(means, axis=-1), np.concatenate(variances, axis=-1))


def settle(moments: Moments, rule: Rule, *, side: str) -> Normals:
    """Normals from moments: one variance an augmentation (``fixed``), one an example, or the latter shrunk towards the
    pooled one (``shrunken``); never below the floor."""
    pooled = moments.variance.mean(-1, keepdims=True)
    if not (pooled > 0).all():
        raise DataError(
            f"LiRA: expected {side} shadows that differ, got identical values; train each with its own seed"
        )
    if rule == "fixed":
        return Normals(moments.mean, np.broadcast_to(pooled, moments.mean.shape).copy(), 0)
    variance = moments.variance
    if rule == "shrunken":
        count = moments.count.astype(np.float64)
        variance = shrink(variance, count, spread_of(variance, count))
    floor = FLOOR * pooled
    return Normals(moments.mean, np.maximum(variance, floor), int((variance < floor).sum()))


def blocks(tables: Tables, examples: int) -> Iterator[tuple[slice, Float64[Array, "models augmentations b"]]]:
    """All models' values of some examples at a time; refuses NaN and other shapes."""
    shapes = {np.shape(table)[-1] for table in tables}
    if shapes != {examples}:
        raise DataError(f"shadows: expected values of {examples} examples from each model, got {sorted(shapes)}")
    whole = tables if isinstance(tables, np.ndarray) else None
    augmentations = np.size(tables[0]) // max(1, examples)
    # Many blocks even of a small bank, so that the values at work stay small against the bank itself.
    size = max(32, min(BLOCK_VALUES // (len(tables) * max(1, augmentations)), -(-examples // BLOCKS)))
    for start in range(0, examples, size):
        block = slice(start, min(start + size, examples))
        if whole is not None:
            values = whole[..., block].astype(np.float64).reshape(len(tables), augmentations, -1)
        else:
            values = np.stack([np.atleast_2d(table)[:, block] for table in tables]).astype(np.float64)
        only_finite("shadows", values)
        yield block, values


def mask_of(mask: ArrayLike, models: int) -> Bool[Array, "models n"]:
    """``mask`` as bool ``[models, n]``."""
    member = np.asarray(mask)
    if member.dtype != np.bool_ or member.ndim != 2 or len(member) != models:
        raise DataError(
            f"member: expected a boolean matrix [{models} models, examples], got {member.dtype} {list(member.shape)}"
        )
    return member


def _medians(
    values: Float64[Array, "models augmentations b"], inside: Float64[Array, "models b"], count: Int64[Array, " b"]
) -> Float64[Array, "augmentations b"]:
    """Median over the models inside (1; the others 0)."""
    with np.errstate(divide="ignore"):
        beyond = 1.0 / inside - 1.0  # 0 inside, infinite outside: five times as fast as a choice by a random mask
    # Models last and together in memory, where sorting is three times as fast.
    ranked = np.sort(np.ascontiguousarray(np.moveaxis(values + beyond[:, None], 0, -1)), axis=-1)
    low = np.broadcast_to(np.maximum(count - 1, 0) // 2, ranked.shape[:-1])[..., None]
    high = np.broadcast_to(np.minimum(count // 2, ranked.shape[-1] - 1), ranked.shape[:-1])[..., None]
    middle: Floats = (np.take_along_axis(ranked, low, -1) + np.take_along_axis(ranked, high, -1))[..., 0] / 2
    return middle
