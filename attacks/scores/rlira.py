"""R-LiRA: offline LiRA in which the retrains are the models that never saw the example."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable, calibration_mask, model_scores, same_examples
from vestige.learners.arrays import Array, Floats

LEAST_RETRAINS = 3


@dataclass(frozen=True, eq=False)
class RLira:
    """R-LiRA scores. retrains: each scored against the others. others: each scored against all retrains. sigma: the
    pooled standard deviation, in units of phi. Take ``abs`` for ``|z|``."""

    retrains: Float64[Array, "retrains n"]
    others: Float64[Array, "others n"]
    sigma: float


def rlira(phi_retrains: ArrayLike, phi_other: ArrayLike, calibration: ArrayLike) -> RLira:
    """Score z = (phi - mu) / sigma minus its median over calibration examples on the same model; higher = member.

    phi_retrains ``[K, n]``, phi_other ``[P, n]`` (candidate, original; P may be 0), over forget and unseen examples
    only; calibration bool ``[n]`` marks unseen examples set aside. mu is the mean over the retrains *other than the
    model scored*; sigma the root of the mean over examples of the variance (divisor K) over retrains, one number, so
    that it changes no rank. sigma is 0 for identical retrains and then z stays undivided: such a reference is for the
    verdict to refuse. NotEstimable below three retrains, where no leave-one-out null exists.
    Source: Carlini et al. 2022 (arXiv 2112.03570), section VI-C, with fixed variance; name and centring are ours.

    >>> rlira([[0.0, 0.0], [3.0, 2.0], [0.0, 1.0]], [[5.0, 1.0]], [False, True]).others.round(4).tolist()
    [[3.4641, 0.0]]
    """
    retrains, others = model_scores("phi_retrains", phi_retrains), model_scores("phi_other", phi_other)
    same_examples("phi_retrains", retrains, "phi_other", others)
    unseen = calibration_mask(calibration, retrains.shape[1])
    if len(retrains) < LEAST_RETRAINS:
        raise NotEstimable(
            f"R-LiRA: expected at least {LEAST_RETRAINS} retrains, got {len(retrains)}; train more retrains"
        )
    # From the first retrain, so that identical retrains give exactly 0 and not the rounding of their mean.
    sigma = float(np.sqrt((retrains - retrains[0]).var(axis=0).mean()))
    unit = sigma if sigma > 0 else 1.0
    # A mean of what is left, not a sum minus one's own: the scored model then cannot enter even by rounding.
    elsewhere = np.stack([np.delete(retrains, k, axis=0).mean(0) for k in range(len(retrains))])
    return RLira(
        retrains=_centred((retrains - elsewhere) / unit, unseen),
        others=_centred((others - retrains.mean(0)) / unit, unseen),
        sigma=sigma,
    )


def _centred(z: Float64[Array, "models n"], calibration: Bool[Array, " n"]) -> Float64[Array, "models n"]:
    centred: Floats = z - np.median(z.compress(calibration, axis=1), axis=1)[:, None]
    return centred
