"""LiRA with every shadow in turn as the target: how the attack does on models like these, without further models."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import FLOOR, Rule, Tables, Variance, blocks, mask_of, resolve
from vestige.attacks.scores.lira import FORMS, Form, Lira
from vestige.attacks.scores.shrinkage import Spread, shrink, spread_of
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import ConfigError, DataError


class Side(NamedTuple):
    """Moments of one side (IN or OUT) without the pair; their count is the same for all."""

    mean: Float64[Array, "pairs augmentations b"]
    variance: Float64[Array, "pairs augmentations b"]


class _Level(NamedTuple):
    """What all examples say about the variances of one side, a row for each pair left out: the pooled one, and
    what shrinkage needs, where that is the rule."""

    pooled: Float64[Array, "pairs augmentations 1"]
    spread: Spread | None


def lira_leave_pair_out(
    shadows: Tables, member: ArrayLike, *, form: Form = "online", variance: Variance = "auto"
) -> Lira:
    """Scores ``[N, n]`` of the shadows themselves, each against all but itself and its complement; higher = member;
    computed in float64, and returned as float32 where all shadows are.

    shadows, form and variance as in ``lira``; member: bool ``[N, n]``, where models 2 i and 2 i + 1 complement each
    other and each example is IN for half of the models. Without its complement too, a target meets N / 2 - 1 shadows on
    either side of every example; with it, their numbers alone would show which examples the target trained on.

    By sums from which the pair's own values are taken, in blocks of examples: O(N n). The pooled variance of a target
    leaves its pair out as well. Raises NotEstimable below 6 shadows, DataError where the design is another one.
    """
    mask = complementary(member, len(shadows))
    rule = resolve(variance, len(mask))
    if form not in FORMS:
        raise ConfigError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
    if len(mask) < 6:
        raise NotEstimable(
            f"LiRA: expected at least 6 shadows, two on each side without the target's pair, got {len(mask)}; "
            "train more shadows"
        )
    online = form == "online"
    level_in, level_out = _levels(shadows, mask, rule, online=online)
    # A table as large as the input; in its type, so that the two together are no more than twice the input.
    narrow = all(np.asarray(table).dtype == np.float32 for table in shadows)
    scores = np.empty(mask.shape, np.float32 if narrow else np.float64)
    floored = 0
    for block, values, inside, outside in sides(shadows, mask, online=online):
        variance_b, low = _settled(outside, level_out, rule, len(mask))
        floored += low
        centred = values - outside.mean[:, None]
        if form == "offline":
            centred /= np.sqrt(variance_b)[:, None]
            scores[:, block] = centred.mean(2).reshape(len(mask), -1)
            continue
        score = -_log_density(centred, variance_b)
        if inside is not None and level_in is not None:
            variance_b, low = _settled(inside, level_in, rule, len(mask))
            floored += low
            score += _log_density(values - inside.mean[:, None], variance_b)
        scores[:, block] = score.reshape(len(mask), -1)
    return Lira(scores, rule, floored)


def complementary(member: ArrayLike, models: int) -> Bool[Array, "models n"]:
    """``member`` as bool ``[models, n]`` after checking that models come in complementary pairs."""
    mask = mask_of(member, models)
    if models % 2 or not models:
        raise DataError(f"member: expected complementary pairs, got {models} models; give an even number of shadows")
    wrong = int((mask[0::2] == mask[1::2]).any(1).sum())
    if wrong:
        raise DataError(
            f"member: expected models 2 i and 2 i + 1 to complement each other, got {wrong} pairs that share or both "
            "lack an example; keep the shadows in the order of their bank"
        )
    return mask


def sides(
    shadows: Tables, mask: Bool[Array, "models n"], *, online: bool
) -> Iterator[tuple[slice, Float64[Array, "pairs 2 augmentations b"], Side | None, Side]]:
    """For each block: the values and the moments of both sides without each pair in turn."""
    each = len(mask) // 2 - 1
    for block, values in blocks(shadows, mask.shape[1]):
        values -= values.mean(0)  # sums of squares lose no digits to a common level
        pairs = values.reshape(len(mask) // 2, 2, *values.shape[1:])
        of_first = mask[0::2, None, block]
        inside = _without(np.where(of_first, pairs[:, 0], pairs[:, 1]), each) if online else None
        yield block, pairs, inside, _without(np.where(of_first, pairs[:, 1], pairs[:, 0]), each)


def _without(side: Float64[Array, "pairs augmentations b"], each: int) -> Side:
    """Moments over the pairs, with each pair in turn left out."""
    mean = side.sum(0) - side
    mean /= each
    np.multiply(side, side, out=side)
    variance = side.sum(0) - side
    variance /= each
    variance -= mean * mean
    return Side(mean, np.maximum(variance, 0.0, out=variance))


def _levels(
    shadows: Tables, mask: Bool[Array, "models n"], rule: Rule, *, online: bool
) -> tuple[_Level | None, _Level]:
    """One pass over all examples before the scores."""
    count, examples = float(len(mask) // 2 - 1), mask.shape[1]
    sums: dict[str, Floats] = {}
    spreads: dict[str, Spread] = {}
    for _, _, inside, outside in sides(shadows, mask, online=online):
        for name, side in (("IN", inside), ("OUT", outside)):
            if side is None:
                continue
            total = side.variance.sum(-1, keepdims=True)
            sums[name] = sums[name] + total if name in sums else total
            if rule == "shrunken":
                more = spread_of(side.variance, count)
                spreads[name] = spreads[name] + more if name in spreads else more
    if not all((total > 0).all() for total in sums.values()):
        raise DataError("LiRA: expected shadows that differ, got identical values; train each with its own seed")
    levels = {name: _Level(total / examples, spreads.get(name)) for name, total in sums.items()}
    return levels.get("IN"), levels["OUT"]


def _settled(
    side: Side, level: _Level, rule: Rule, models: int
) -> tuple[Float64[Array, "pairs augmentations #b"], int]:
    """Variance of each example, or one for all, by the rule, and how many were raised to the floor."""
    if rule == "fixed":
        return level.pooled, 0
    variance, floor = side.variance, FLOOR * level.pooled
    if level.spread is not None:
        variance = shrink(variance, float(models // 2 - 1), level.spread)
    return np.maximum(variance, floor), int((variance < floor).sum())


def _log_density(
    centred: Float64[Array, "pairs 2 augmentations b"], variance: Float64[Array, "pairs augmentations #b"]
) -> Float64[Array, "pairs 2 b"]:
    """Mean over augmentations; overwrites ``centred``."""
    np.multiply(centred, centred, out=centred)
    centred *= (-0.5 / variance)[:, None]
    centred -= (0.5 * np.log(variance))[:, None]
    averaged: Floats = centred[:, :, 0] if centred.shape[2] == 1 else centred.mean(2)
    return averaged
