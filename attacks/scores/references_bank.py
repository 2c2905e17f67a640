"""Attacks that hold a signal against reference models, with every shadow in turn as the target.

``shadows`` and ``member`` are those of ``lira_leave_pair_out``: N tables in complementary pairs. A target is held
against all shadows but itself and its complement. Every function returns float64 ``[N, n]``, higher = member, equals a
call of its namesake in ``references`` for each target, and raises NotEstimable below 4 shadows.
"""

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import Floats, Mask, NotEstimable
from vestige.attacks.scores.gaussians import Tables, blocks
from vestige.attacks.scores.lira_bank import complementary, sides


def difficulty_leave_pair_out(shadows: Tables, member: ArrayLike) -> Floats:
    """``difficulty`` of every shadow: the signal minus its mean over the other pairs' OUT shadows."""
    chosen = _given(shadows, member)
    scores = np.empty(chosen.shape)
    for block, values, _, outside in sides(shadows, chosen, online=False):
        scores[:, block] = (values - outside.mean[:, None]).mean(2).reshape(len(chosen), -1)
    return scores


def sablayrolles_leave_pair_out(shadows: Tables, member: ArrayLike) -> Floats:
    """``sablayrolles`` of every shadow: the signal minus the middle between the other pairs' IN and OUT means."""
    chosen = _given(shadows, member)
    scores = np.empty(chosen.shape)
    for block, values, inside, outside in sides(shadows, chosen, online=True):
        assert inside is not None
        middle = (inside.mean + outside.mean) / 2
        scores[:, block] = (values - middle[:, None]).mean(2).reshape(len(chosen), -1)
    return scores


def attack_r_leave_pair_out(shadows: Tables, member: ArrayLike) -> Floats:
    """``attack_r`` of every shadow: the share of the other pairs' OUT shadows with a signal of at most its own."""
    chosen = _given(shadows, member)
    scores = np.empty(chosen.shape)
    for block, values in blocks(shadows, chosen.shape[1]):
        outside = ~chosen[:, None, block]
        for target, own in enumerate(values):
            first = target - target % 2
            pair = slice(first, first + 2)
            below = ((values <= own) & outside).sum(0) - ((values[pair] <= own) & outside[pair]).sum(0)
            scores[target, block] = below.mean(0) / (len(chosen) // 2 - 1)
    return scores


def _given(shadows: Tables, member: ArrayLike) -> Mask:
    chosen = complementary(member, len(shadows))
    if len(chosen) < 4:
        raise NotEstimable(f"expected at least 4 shadows, so that another pair is left, got {len(chosen)}; train more")
    return chosen
