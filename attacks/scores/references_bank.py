"""Attacks that compare a signal with that of reference models, with every shadow in turn as the target.

``shadows`` and ``member`` are those of ``lira_leave_pair_out``: N tables in complementary pairs. A target is compared
with all shadows but itself and its complement. Every function returns float64 ``[N, n]``, higher = member, equals a
call of its namesake in ``references`` for each target, and raises NotEstimable below 4 shadows.
"""

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Tables, blocks
from vestige.attacks.scores.lira_bank import complementary, sides
from vestige.learners.arrays import Array


def difficulty_leave_pair_out(shadows: Tables, member: ArrayLike) -> Float64[Array, "models n"]:
    """``difficulty`` of every shadow: the signal minus its mean over the other pairs' OUT shadows."""
    mask = _checked(shadows, member)
    scores = np.empty(mask.shape)
    for block, values, _, outside in sides(shadows, mask, online=False):
        scores[:, block] = (values - outside.mean[:, None]).mean(2).reshape(len(mask), -1)
    return scores


def sablayrolles_leave_pair_out(shadows: Tables, member: ArrayLike) -> Float64[Array, "models n"]:
    """``sablayrolles`` of every shadow: the signal minus the middle between the other pairs' IN and OUT means."""
    mask = _checked(shadows, member)
    scores = np.empty(mask.shape)
    for block, values, inside, outside in sides(shadows, mask, online=True):
        assert inside is not None
        middle = (inside.mean + outside.mean) / 2
        scores[:, block] = (values - middle[:, None]).mean(2).reshape(len(mask), -1)
    return scores


def attack_r_leave_pair_out(shadows: Tables, member: ArrayLike) -> Float64[Array, "models n"]:
    """``attack_r`` of every shadow: the share of the other pairs' OUT shadows with a signal of at most its own."""
    mask = _checked(shadows, member)
    scores = np.empty(mask.shape)
    for block, values in blocks(shadows, mask.shape[1]):
        outside = ~mask[:, None, block]
        for target, value in enumerate(values):
            first = target - target % 2
            pair = slice(first, first + 2)
            below = ((values <= value) & outside).sum(0) - ((values[pair] <= value) & outside[pair]).sum(0)
            scores[target, block] = below.mean(0) / (len(mask) // 2 - 1)
    return scores


def _checked(shadows: Tables, member: ArrayLike) -> Bool[Array, "models n"]:
    mask = complementary(member, len(shadows))
    if len(mask) < 4:
        raise NotEstimable(f"expected at least 4 shadows, so that another pair is left, got {len(mask)}; train more")
    return mask
