"""Attacks that compare a signal with the same signal on reference models; one number each, no distribution.

``targets [P, n]``, ``shadows`` N tables ``[n]`` (or augmentations, which are averaged) and ``member`` bool ``[N, n]``
are those of ``lira``; the signal may be any of the registry. Every function returns float64 ``[P, n]``, higher =
member, and raises NotEstimable where an example lacks the references that it needs.
"""

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Tables, blocks, mask_of, moments_of
from vestige.attacks.scores.lira import check_out_of_sample, target_values
from vestige.learners.arrays import Array, Floats, Labels


def difficulty(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Float64[Array, "targets n"]:
    """Difficulty calibration: the signal minus its mean over shadows that did not train on the example.

    Source: Watson et al. 2022 (arXiv 2111.08440), section 3.

    >>> difficulty([[3.0]], [[1.0], [2.0], [9.0]], [[False], [False], [True]]).tolist()
    [[1.5]]
    """
    values, mask = _checked(targets, shadows, member)
    calibrated: Floats = (values - _means(shadows, ~mask, "OUT")).mean(1)
    return calibrated


def sablayrolles(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Float64[Array, "targets n"]:
    """The signal minus an example's own threshold, half way between its means over IN and over OUT shadows.

    Source: Sablayrolles et al. 2019 (arXiv 1908.11229), MALT with per-example thresholds; the signal there is log p_y.

    >>> sablayrolles([[3.0]], [[1.0], [2.0], [9.0]], [[False], [False], [True]]).tolist()
    [[-2.25]]
    """
    values, mask = _checked(targets, shadows, member)
    middle = (_means(shadows, mask, "IN") + _means(shadows, ~mask, "OUT")) / 2
    above: Floats = (values - middle).mean(1)
    return above


def attack_r(targets: ArrayLike, shadows: Tables, member: ArrayLike) -> Float64[Array, "targets n"]:
    """Attack R: the share of OUT shadows on which the signal is at most the target's; in steps of one OUT shadow.

    Source: Ye et al. 2022 (arXiv 2111.09679), section 4.3, with the share as score in place of one cut.

    >>> attack_r([[3.0]], [[1.0], [3.0], [4.0], [9.0]], [[False], [False], [False], [True]]).round(6).tolist()
    [[0.666667]]
    """
    values, mask = _checked(targets, shadows, member)
    count = _counted(~mask, "OUT")
    share = np.empty((len(values), mask.shape[1]))
    for block, tables in blocks(shadows, mask.shape[1]):
        outside = ~mask[:, None, block]
        for place, target in enumerate(values[..., block]):
            share[place, block] = ((tables <= target) & outside).sum(0).mean(0) / count[block]
    return share


def _checked(
    targets: ArrayLike, shadows: Tables, member: ArrayLike
) -> tuple[Float64[Array, "targets augmentations n"], Bool[Array, "models n"]]:
    mask = mask_of(member, len(shadows))
    values = target_values(targets, shadows, mask.shape[1])
    check_out_of_sample(values, shadows)
    return values, mask


def _means(shadows: Tables, mask: Bool[Array, "models n"], side: str) -> Float64[Array, "augmentations n"]:
    _counted(mask, side)
    return moments_of(shadows, mask).mean


def _counted(mask: Bool[Array, "models n"], side: str) -> Labels:
    count: Labels = mask.sum(0)
    if not count.all():
        raise NotEstimable(
            f"expected an {side} shadow for each example, got none for {int((count == 0).sum())}; train more shadows"
        )
    return count
