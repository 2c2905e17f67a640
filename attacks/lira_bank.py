"""LiRA with every shadow in turn as the target: what the attack would do on models like these, with no model spared."""

from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from attacks._arrays import Floats, Mask, NotEstimable
from attacks._gaussians import FLOOR, Rule, Tables, Variance, blocks, mask_of, resolve
from attacks._shrinkage import Spread, shrink, spread_of
from attacks.lira import FORMS, Form, Lira
from learners import ConfigError, DataError


class _Side(NamedTuple):
    """Moments of one side without the pair, ``[pairs, views, b]``; count is the same for all."""

    mean: Floats
    variance: Floats


def lira_leave_pair_out(
    shadows: Tables, member: ArrayLike, *, form: Form = "online", variance: Variance = "auto"
) -> Lira:
    """Scores ``[N, n]`` of the shadows themselves, each against all but itself and its complement; higher = member.

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
    spread_in, spread_out = _spreads(shadows, chosen, online=online)
    scores = np.empty(chosen.shape)
    floored = 0
    for block, values, inside, outside in _sides(shadows, chosen, online=online):
        spread, low = _settled(outside, spread_out, rule, len(chosen))
        floored += low
        centred = values - np.repeat(outside.mean, 2, axis=0)
        if form == "offline":
            scores[:, block] = (centred / np.repeat(np.sqrt(spread), 2, axis=0)).mean(1)
            continue
        scores[:, block] = -_log_density(centred, spread)
        if inside is not None and spread_in is not None:
            spread, low = _settled(inside, spread_in, rule, len(chosen))
            floored += low
            scores[:, block] += _log_density(values - np.repeat(inside.mean, 2, axis=0), spread)
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


def _sides(shadows: Tables, chosen: Mask, *, online: bool) -> Iterator[tuple[slice, Floats, _Side | None, _Side]]:
    """For each block: the values ``[N, views, b]`` and the moments of both sides, a row for each pair left out."""
    each = len(chosen) // 2 - 1
    for block, values in blocks(shadows, chosen.shape[1]):
        values -= values.mean(0)  # sums of squares lose no digits to a common level
        first, second = values[0::2], values[1::2]
        of_first = chosen[0::2, None, block]
        yield (
            block,
            values,
            _without(np.where(of_first, first, second), each) if online else None,
            _without(np.where(of_first, second, first), each),
        )


def _without(side: Floats, each: int) -> _Side:
    """Moments over the pairs of ``side [pairs, views, b]``, with each pair in turn left out."""
    mean = (side.sum(0) - side) / each
    square = ((side**2).sum(0) - side**2) / each
    return _Side(mean, np.maximum(square - mean**2, 0.0))


def _spreads(shadows: Tables, chosen: Mask, *, online: bool) -> tuple[Spread | None, Spread]:
    """How the variances of either side are spread over all examples, a row for each pair left out."""
    count = float(len(chosen) // 2 - 1)
    parts = [
        (None if inside is None else spread_of(inside.variance, count), spread_of(outside.variance, count))
        for _, _, inside, outside in _sides(shadows, chosen, online=online)
    ]
    total_out = reduce(add, (outside for _, outside in parts))
    total_in = reduce(add, (inside for inside, _ in parts if inside is not None)) if online else None
    for total in (total_out, total_in):
        if total is not None and not (total.variance > 0).all():
            raise DataError("LiRA: expected shadows that differ, got identical values; train them with own seeds")
    return total_in, total_out


def _settled(side: _Side, spread: Spread, rule: Rule, models: int) -> tuple[Floats, int]:
    """Variance ``[pairs, views, b]`` or ``[pairs, views, 1]`` by the rule, and how many were raised to the floor."""
    if rule == "fixed":
        return spread.pooled, 0
    variance, floor = side.variance, FLOOR * spread.pooled
    if rule == "shrunken":
        variance = shrink(variance, float(models // 2 - 1), spread)
    return np.maximum(variance, floor), int((variance < floor).sum())


def _log_density(centred: Floats, variance: Floats) -> Floats:
    """Mean over views, ``[N, b]``."""
    of_each = np.repeat(variance, 2, axis=0)
    density = -0.5 * centred**2 / of_each - 0.5 * np.log(of_each)
    averaged: Floats = density.mean(1)
    return averaged
