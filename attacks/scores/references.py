"""Attacks that hold a signal against the same signal on reference models; one number each, no distribution.

``targets [P, n]``, ``shadows`` N tables ``[n]`` (or views, which are averaged) and ``member`` bool ``[N, n]`` are those
of ``lira``; the signal may be any of the registry. Every function returns float64 ``[P, n]``, higher = member, and
raises NotEstimable where an example lacks the references that it needs.
"""

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import Floats, Labels, Mask, NotEstimable
from vestige.attacks.scores.gaussians import Tables, blocks, mask_of, moments_of
from vestige.attacks.scores.lira import check_out_of_sample, target_values


def difficulty(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Floats:
    """Difficulty calibration: the signal minus its mean over shadows that did not train on the example.

    Source: Watson et al. 2022 (arXiv 2111.08440), section 3.

    >>> difficulty([[3.0]], [[1.0], [2.0], [9.0]], [[False], [False], [True]]).tolist()
    [[1.5]]
    """
    values, chosen = _given(targets, shadows, member)
    calibrated: Floats = (values - _means(shadows, ~chosen, "OUT")).mean(1)
    return calibrated


def sablayrolles(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Floats:
    """The signal minus an example's own threshold, half way between its means over IN and over OUT shadows.

    Source: Sablayrolles et al. 2019 (arXiv 1908.11229), MALT with per-example thresholds; the signal there is log p_y.

    >>> sablayrolles([[3.0]], [[1.0], [2.0], [9.0]], [[False], [False], [True]]).tolist()
    [[-2.25]]
    """
    values, chosen = _given(targets, shadows, member)
    middle = (_means(shadows, chosen, "IN") + _means(shadows, ~chosen, "OUT")) / 2
    above: Floats = (values - middle).mean(1)
    return above


def attack_r(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Floats:
    """Attack R: the share of OUT shadows on which the signal is at most the target's; in steps of one OUT shadow.

    Source: Ye et al. 2022 (arXiv 2111.09679), section 4.3, with the share as score in place of one cut.

    >>> attack_r([[3.0]], [[1.0], [3.0], [4.0], [9.0]], [[False], [False], [False], [True]]).round(6).tolist()
    [[0.666667]]
    """
    values, chosen = _given(targets, shadows, member)
    count = _counted(~chosen, "OUT")
    share = np.empty((len(values), chosen.shape[1]))
    for block, tables in blocks(shadows, chosen.shape[1]):
        outside = ~chosen[:, None, block]
        for place, target in enumerate(values[..., block]):
            share[place, block] = ((tables <= target) & outside).sum(0).mean(0) / count[block]
    return share


def _given(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> tuple[Floats, Mask]:
    chosen = mask_of(member, len(shadows))
    values = target_values(targets, shadows, chosen.shape[1])
    check_out_of_sample(values, shadows)
    return values, chosen


def _means(shadows: Tables, chosen: Mask, world: str) -> Floats:
    _counted(chosen, world)
    return moments_of(shadows, chosen).mean


def _counted(chosen: Mask, world: str) -> Labels:
    count: Labels = chosen.sum(0)
    if not count.all():
        raise NotEstimable(
            f"expected an {world} shadow for each example, got none for {int((count == 0).sum())}; train more shadows"
        )
    return count
