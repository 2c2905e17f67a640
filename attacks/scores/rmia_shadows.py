"""RMIA against shadow models: with references that trained on the example and others that did not, or only the
latter."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy.typing import ArrayLike
from scipy.special import expit

from vestige.attacks.arrays import NotEstimable, calibration_mask
from vestige.attacks.scores.gaussians import Tables, blocks, mask_of
from vestige.attacks.scores.lira import check_out_of_sample, target_values
from vestige.attacks.scores.lira_bank import complementary
from vestige.attacks.scores.rmia import expected_probability, likelihood_ratio, number, population_share
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import ConfigError

RmiaForm = Literal["online", "offline"]


def rmia_shadows(
    targets: ArrayLike,
    shadows: Tables,
    member: ArrayLike,
    calibration: ArrayLike,
    *,
    form: RmiaForm = "online",
    a: float = 0.3,
    gamma: float = 1.0,
) -> Float64[Array, "targets n"]:
    """Share of population examples whose likelihood ratio the example's exceeds by gamma, ``[P, n]`` in [0, 1];
    higher = member.

    targets, shadows, member: as in ``lira`` (phi; p_y = sigmoid(phi)). calibration: bool ``[n]``, unseen examples, the
    population. ``online``: p(x) is half the mean over shadows that trained on x, half that over those that did not.
    ``offline``: p(x) from the latter by ``a``. a and gamma are numbers fixed beforehand, never tuned on a target.
    Augmentations are averaged. By one sort a target, O((n + Z) log Z), no table of pairs. Raises NotEstimable where an
    example has no reference of a kind that is needed. Source: Zarifzadeh et al. 2024 (arXiv 2312.03262), sections 3 and
    B.2.2.
    """
    mask, peers = _settings(shadows, member, calibration, form, a, gamma)
    values = target_values(targets, shadows, mask.shape[1])
    check_out_of_sample(values, shadows)
    total_in, total_out = _sums(shadows, mask)
    expected = _expected(total_in, total_out, mask.sum(0), (~mask).sum(0), form, a)
    return _shares(expit(values), np.broadcast_to(expected, values.shape), [peers] * len(values), gamma)


def rmia_leave_pair_out(
    shadows: Tables,
    member: ArrayLike,
    calibration: ArrayLike,
    *,
    form: RmiaForm = "online",
    a: float = 0.3,
    gamma: float = 1.0,
) -> Float[Array, "models n"]:
    """Scores ``[N, n]`` of the shadows themselves, each against all but itself and its complement (float32 where all
    shadows are).

    As ``rmia_shadows``; models 2 i and 2 i + 1 complement each other. A target's population are those calibration
    examples on which it was not trained. Raises NotEstimable where it has none.
    """
    mask, peers = _settings(shadows, member, calibration, form, a, gamma)
    complementary(member, len(shadows))
    total_in, total_out = _sums(shadows, mask)
    count_in, count_out = mask.sum(0) - 1, (~mask).sum(0) - 1
    narrow = all(np.asarray(table).dtype == np.float32 for table in shadows)
    scores = np.empty(mask.shape, np.float32 if narrow else np.float64)
    for first in range(0, len(mask), 2):
        pair = expit(np.stack([np.atleast_2d(shadows[model]) for model in (first, first + 1)]).astype(np.float64))
        inside = mask[first]
        own_in, own_out = np.where(inside, pair[0], pair[1]), np.where(inside, pair[1], pair[0])
        expected = _expected(total_in - own_in, total_out - own_out, count_in, count_out, form, a)
        populations = [peers & ~mask[model] for model in (first, first + 1)]
        scores[first : first + 2] = _shares(pair, np.broadcast_to(expected, pair.shape), populations, gamma)
    return scores


def _settings(
    shadows: Tables, member: ArrayLike, calibration: ArrayLike, form: str, a: float, gamma: float
) -> tuple[Bool[Array, "models n"], Bool[Array, " n"]]:
    if form not in get_args(RmiaForm):
        raise ConfigError(f"form: expected one of {', '.join(get_args(RmiaForm))}, got {form!r}")
    number("a", a), number("gamma", gamma)
    mask = mask_of(member, len(shadows))
    return mask, calibration_mask(calibration, mask.shape[1])


def _sums(
    shadows: Tables, mask: Bool[Array, "models n"]
) -> tuple[Float64[Array, "augmentations n"], Float64[Array, "augmentations n"]]:
    """Sums of p_y over IN and over OUT shadows."""
    inside, outside = [], []
    for block, values in blocks(shadows, mask.shape[1]):
        p, member = expit(values), mask[:, None, block]
        inside.append(np.where(member, p, 0.0).sum(0))
        outside.append(np.where(member, 0.0, p).sum(0))
    return np.concatenate(inside, axis=-1), np.concatenate(outside, axis=-1)


def _expected(
    total_in: Float64[Array, "augmentations n"],
    total_out: Float64[Array, "augmentations n"],
    count_in: Int64[Array, " n"],
    count_out: Int64[Array, " n"],
    form: str,
    a: float,
) -> Float64[Array, "augmentations n"]:
    for kind, count in (("OUT", count_out), ("IN", count_in)):
        missing = int((count < 1).sum())
        if missing and not (kind == "IN" and form == "offline"):
            raise NotEstimable(f"RMIA: expected an {kind} shadow for each example, got none for {missing}; train more")
    # Sums from which a value was taken may fall below 0 by rounding.
    p_out = np.clip(total_out / count_out, 0.0, 1.0)
    if form == "offline":
        return expected_probability(p_out, a)
    expected: Floats = (p_out + np.clip(total_in / np.maximum(count_in, 1), 0.0, 1.0)) / 2
    return expected


def _shares(
    p: Float64[Array, "targets augmentations n"],
    expected: Float64[Array, "targets augmentations n"],
    populations: list[Bool[Array, " n"]],
    gamma: float,
) -> Float64[Array, "targets n"]:
    """Scores by each target's own population."""
    scores = np.zeros((len(p), p.shape[-1]))
    for place, peers in enumerate(populations):
        if not peers.any():
            raise NotEstimable("RMIA: expected calibration examples that the target was not trained on, got none")
        ratios = likelihood_ratio(p[place], expected[place])
        for ratio in ratios:
            scores[place] += population_share(ratio, ratio[peers], gamma) / len(ratios)
    return scores
