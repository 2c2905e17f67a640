"""LiRA with every shadow in turn as the target: what the attack would do on models like these, with no model spared."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import Floats, Mask, NotEstimable
from vestige.attacks.scores.gaussians import FLOOR, Rule, Tables, Variance, blocks, mask_of, resolve
from vestige.attacks.scores.lira import FORMS, Form, Lira
from vestige.attacks.scores.shrinkage import Spread, shrink, spread_of
from vestige.learners.errors import ConfigError, DataError


class Side(NamedTuple):
    """Moments of one side without the pair, ``[pairs, views, b]``; their count is the same for all."""

    mean: Floats
    variance: Floats


class _Level(NamedTuple):
    """What all examples say about the variances of one side, a row for each pair left out: the pooled one ``[pairs,
    views, 1]``, and what shrinkage needs, where that is the rule."""

    pooled: Floats
    spread: Spread | None


def lira_leave_pair_out(
    shadows: Tables, member: ArrayLike, *, form: Form = "online", variance: Variance = "auto"
) -> Lira:
    """Scores ``[N, n]`` of the shadows themselves, each against all but itself and its complement; higher = member;
    computed in float64, and returned as float32 where all shadows are.

    shadows, form and variance as in ``lira``; member: bool ``[N, n]``, where models 2 i and 2 i + 1 complement each
    other and each example is IN for half of the models. Without its complement too, a target meets N / 2 - 1 shadows on
    either side of every example; with it, their numbers alone would tell which examples the target trained on.

    By sums from which the pair's own values are taken, in blocks of examples: O(N n). The pooled variance of a target
    leaves its pair out as well. Raises NotEstimable below 6 shadows, DataError where the design is another one.
    """
    chosen = complementary(member, len(shadows))
    rule = resolve(variance, len(chosen))
    if form not in FORMS:
        raise ConfigError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
    if len(chosen) < 6:
        raise NotEstimable(
            f"LiRA: expected at least 6 shadows, two on each side without the target's pair, got {len(chosen)}; "
            "train more shadows"
        )
    online = form == "online"
    level_in, level_out = _levels(shadows, chosen, rule, online=online)
    # A table as large as the input; in its type, so that the two together are no more than twice the input.
    narrow = all(np.asarray(table).dtype == np.float32 for table in shadows)
    scores = np.empty(chosen.shape, np.float32 if narrow else np.float64)
    floored = 0
    for block, values, inside, outside in sides(shadows, chosen, online=online):
        own, low = _settled(outside, level_out, rule, len(chosen))
        floored += low
        centred = values - outside.mean[:, None]
        if form == "offline":
            centred /= np.sqrt(own)[:, None]
            scores[:, block] = centred.mean(2).reshape(len(chosen), -1)
            continue
        score = -_log_density(centred, own)
        if inside is not None and level_in is not None:
            own, low = _settled(inside, level_in, rule, len(chosen))
            floored += low
            score += _log_density(values - inside.mean[:, None], own)
        scores[:, block] = score.reshape(len(chosen), -1)
    return Lira(scores, rule, floored)


def complementary(member: ArrayLike, models: int) -> Mask:
    """``member`` as bool ``[models, n]`` after checking that models come in complementary pairs."""
    chosen = mask_of(member, models)
    if models % 2 or not models:
        raise DataError(f"member: expected complementary pairs, got {models} models; give an even number of shadows")
    wrong = int((chosen[0::2] == chosen[1::2]).any(1).sum())
    if wrong:
        raise DataError(
            f"member: expected models 2 i and 2 i + 1 to complement each other, got {wrong} pairs that share or both "
            "lack an example; keep the shadows in the order of their bank"
        )
    return chosen


def sides(shadows: Tables, chosen: Mask, *, online: bool) -> Iterator[tuple[slice, Floats, Side | None, Side]]:
    """For each block: the values ``[pairs, 2, views, b]`` and the moments of both sides without each pair in turn."""
    each = len(chosen) // 2 - 1
    for block, values in blocks(shadows, chosen.shape[1]):
        values -= values.mean(0)  # sums of squares lose no digits to a common level
        pairs = values.reshape(len(chosen) // 2, 2, *values.shape[1:])
        of_first = chosen[0::2, None, block]
        inside = _without(np.where(of_first, pairs[:, 0], pairs[:, 1]), each) if online else None
        yield block, pairs, inside, _without(np.where(of_first, pairs[:, 1], pairs[:, 0]), each)


def _without(side: Floats, each: int) -> Side:
    """Moments over the pairs of ``side [pairs, views, b]``, with each pair in turn left out."""
    mean = side.sum(0) - side
    mean /= each
    np.multiply(side, side, out=side)
    variance = side.sum(0) - side
    variance /= each
    variance -= mean * mean
    return Side(mean, np.maximum(variance, 0.0, out=variance))


def _levels(shadows: Tables, chosen: Mask, rule: Rule, *, online: bool) -> tuple[_Level | None, _Level]:
    """One pass over all examples before the scores."""
    count, examples = float(len(chosen) // 2 - 1), chosen.shape[1]
    sums: dict[str, Floats] = {}
    spreads: dict[str, Spread] = {}
    for _, _, inside, outside in sides(shadows, chosen, online=online):
        for name, side in (("IN", inside), ("OUT", outside)):
            if side is None:
                continue
            part = side.variance.sum(-1, keepdims=True)
            sums[name] = sums[name] + part if name in sums else part
            if rule == "shrunken":
                more = spread_of(side.variance, count)
                spreads[name] = spreads[name] + more if name in spreads else more
    if not all((total > 0).all() for total in sums.values()):
        raise DataError("LiRA: expected shadows that differ, got identical values; train them with own seeds")
    levels = {name: _Level(total / examples, spreads.get(name)) for name, total in sums.items()}
    return levels.get("IN"), levels["OUT"]


def _settled(side: Side, level: _Level, rule: Rule, models: int) -> tuple[Floats, int]:
    """Variance ``[pairs, views, b]`` or ``[pairs, views, 1]`` by the rule, and how many were raised to the floor."""
    if rule == "fixed":
        return level.pooled, 0
    variance, floor = side.variance, FLOOR * level.pooled
    if level.spread is not None:
        variance = shrink(variance, float(models // 2 - 1), level.spread)
    return np.maximum(variance, floor), int((variance < floor).sum())


def _log_density(centred: Floats, variance: Floats) -> Floats:
    """Mean over views of ``centred [pairs, 2, views, b]``, ``[pairs, 2, b]``; overwrites ``centred``."""
    np.multiply(centred, centred, out=centred)
    centred *= (-0.5 / variance)[:, None]
    centred -= (0.5 * np.log(variance))[:, None]
    averaged: Floats = centred[:, :, 0] if centred.shape[2] == 1 else centred.mean(2)
    return averaged
