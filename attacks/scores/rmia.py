"""RMIA: how often an example's likelihood ratio exceeds that of population examples."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import expit

from vestige.attacks.arrays import NotEstimable, calibration_mask, model_scores, same_examples
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import ConfigError, DataError

LEAST_RETRAINS = 2


@dataclass(frozen=True, eq=False)
class Rmia:
    """RMIA scores in [0, 1]. retrains: each with the others as references. others: each with all retrains as
    references."""

    retrains: Float64[Array, "retrains n"]
    others: Float64[Array, "others n"]


def rmia(
    phi_retrains: ArrayLike,
    phi_other: ArrayLike,
    calibration: ArrayLike,
    *,
    a: float = 0.3,
    gamma: float = 1.0,
) -> Rmia:
    """Offline RMIA with the other retrains as OUT references and calibration examples as population; higher = member.

    phi_retrains ``[K, n]``, phi_other ``[P, n]`` (logit-scaled confidences, p_y = sigmoid(phi)) over forget and unseen
    examples; calibration bool ``[n]``. Scores are multiples of 1 / population, so there are many ties. a in [0, 1] and
    gamma > 0 are numbers fixed beforehand: this function cannot tune them, least of all on a candidate. NotEstimable
    below two retrains, since a retrain needs another one as reference.
    Source: Zarifzadeh et al. 2024 (arXiv 2312.03262), sections 3 and B.2.2.
    """
    a, gamma = number("a", a), number("gamma", gamma)
    retrains, others = model_scores("phi_retrains", phi_retrains), model_scores("phi_other", phi_other)
    same_examples("phi_retrains", retrains, "phi_other", others)
    unseen = calibration_mask(calibration, retrains.shape[1])
    if len(retrains) < LEAST_RETRAINS:
        raise NotEstimable(f"RMIA: expected at least {LEAST_RETRAINS} retrains, got {len(retrains)}; train more")
    p_retrains, p_others = expit(retrains), expit(others)

    def scored(p: Float64[Array, " n"], references: Float64[Array, "references n"]) -> Float64[Array, " n"]:
        ratio = likelihood_ratio(p, expected_probability(references.mean(0), a))
        return population_share(ratio, ratio[unseen], gamma)

    everywhere = [scored(p, np.delete(p_retrains, k, axis=0)) for k, p in enumerate(p_retrains)]
    rest = [scored(p, p_retrains) for p in p_others]
    return Rmia(retrains=np.stack(everywhere), others=np.array(rest).reshape(others.shape))


def out_mean(p_references: ArrayLike, out: ArrayLike) -> Float64[Array, " n"]:
    """Mean of ``p_references [K, n]`` over the references that did not see the example, ``out`` bool
    ``[K, n]``; an example that every reference saw is refused.

    >>> out_mean([[0.9, 0.2], [0.5, 0.4]], [[False, True], [True, True]]).round(10).tolist()
    [0.5, 0.3]
    """
    p, mask = model_scores("p_references", p_references), np.asarray(out)
    if mask.shape != p.shape or mask.dtype != np.bool_:
        raise DataError(f"out: expected a boolean mask {list(p.shape)}, got {mask.dtype} {list(mask.shape)}")
    count = mask.sum(0)
    if not count.all():
        raise DataError(f"out: expected an OUT reference for each example, got none for {int((count == 0).sum())}")
    mean: Floats = np.where(mask, p, 0.0).sum(0) / count
    return mean


def expected_probability(p_out: ArrayLike, a: float) -> Floats:
    """Offline p(x) = ((1 + a) p_out + (1 - a)) / 2, same shape; a = 1 gives p_out, a = 0 the middle of p_out and 1.

    >>> expected_probability([0.6], 0.3).round(10).tolist()
    [0.74]
    """
    a = number("a", a)
    expected: Floats = ((1.0 + a) * np.asarray(p_out, np.float64) + (1.0 - a)) / 2.0
    return expected


def likelihood_ratio(p: ArrayLike, expected: ArrayLike) -> Floats:
    """p(x | model) / p(x), same shape; a p(x) of 0 counts as the smallest normal number.

    >>> likelihood_ratio([0.9], [0.74]).round(10).tolist()
    [1.2162162162]
    """
    floor = np.finfo(np.float64).tiny
    ratio: Floats = np.asarray(p, np.float64) / np.maximum(np.asarray(expected, np.float64), floor)
    return ratio


def population_share(ratio: ArrayLike, population: ArrayLike, gamma: float = 1.0) -> Float64[Array, " n"]:
    """Share of population examples ``[Z]`` with ratio / population ratio > gamma (strictly), for each of ``[n]``.

    >>> population_share([1.2], [0.8, 1.0, 1.2, 1.5]).tolist()
    [0.5]
    """
    gamma = number("gamma", gamma)
    ranked = np.sort(np.asarray(population, np.float64))
    if ranked.ndim != 1 or not len(ranked):
        raise DataError(f"population: expected a list of at least one ratio, got shape {list(ranked.shape)}")
    thresholds = np.asarray(ratio, np.float64) / gamma
    if thresholds.ndim != 1:
        raise DataError(f"ratio: expected a list of ratios, got shape {list(thresholds.shape)}")
    order = np.argsort(thresholds)  # lookups in rising order stay in cache
    share = np.empty(len(thresholds))
    share[order] = np.searchsorted(ranked, thresholds[order], side="left") / len(ranked)
    return share


def number(name: str, value: object) -> float:
    """One finite number in its range; anything that could depend on data (an array, a callable) is refused."""
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if (name == "a" and 0 <= number <= 1) or (name == "gamma" and 0 < number < float("inf")):
            return number
    wanted = "a number in [0, 1]" if name == "a" else "a positive number"
    raise ConfigError(f"{name}: expected {wanted} fixed before the candidate is seen, got {value!r}")
