"""D: the shape of the scores, and values that repeat."""

from collections.abc import Iterator
from math import pi, sqrt

import numpy as np
from jaxtyping import Float64

from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic
from vestige.audit.policy import Policy
from vestige.learners.arrays import Array

BINS = 20
NEAR = 0.25
"""Of n values neighbours are as good as equal where they are nearer than this share of the interquartile range over n:
about one in ten of continuous values is, at any n."""
ERROR = 0.35
LEAST_WEIGHT = 1e-4


def shape(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """D: the larger of the total variation between the residuals of forget and unseen examples, over 20 bins of equal
    unseen mass, and the difference in repeated values of phi. Scores that were squeezed into a band or rounded on the
    forget set alone have the right AUC and the wrong shape."""
    f, _, u = scores.sizes
    residual, phi = scores.parts(scores.residual), scores.parts(scores.phi)
    values = np.array(
        [
            max(total_variation(*pair), repeats(*of_phi))
            for pair, of_phi in zip(
                zip(residual[0], residual[2], strict=True), zip(phi[0], phi[2], strict=True), strict=True
            )
        ]
    )
    alone = scores.setting.random and scores.retrains < 2
    null = shape_of_chance(f, u) if alone else None
    error = shape_error(f, u)
    errors = np.full(len(values) - scores.retrains, error)
    yield Statistic(values, f, u, errors, null, expected=error, unseen_share=f / (f + u))


def shape_error(forget: int, unseen: int) -> float:
    """Example error."""
    return ERROR * sqrt(1 / forget + 1 / unseen)


def shape_of_chance(forget: int, unseen: int) -> float:
    """Mean total variation of two samples of one distribution."""
    share = 1 / BINS
    return BINS / 2 * sqrt(2 / pi) * sqrt(share * (1 - share) * (1 / forget + 1 / unseen))


def total_variation(forget: Float64[Array, " f"], unseen: Float64[Array, " u"]) -> float:
    """Half the sum of the differences between two histograms, in bins that hold equally many unseen values."""
    edges = np.unique(np.quantile(unseen, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [
        np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) / len(part) for part in (forget, unseen)
    ]
    return min(1.0, float(np.abs(shares[0] - shares[1]).sum() / 2))  # sums of shares may round beyond 1


def repeats(forget: Float64[Array, " f"], unseen: Float64[Array, " u"]) -> float:
    """Difference in the share of values whose next larger neighbour is as good as equal, among equally many of both."""
    n = min(len(forget), len(unseen))
    low, high = np.quantile(unseen, [0.25, 0.75])
    shares = [near_share(np.sort(part), n, NEAR * (high - low) / n) for part in (forget, unseen)]
    return abs(shares[0] - shares[1])


def near_share(values: Float64[Array, " m"], n: int, distance: float) -> float:
    """Expected share of a random n of these sorted ``values`` whose next one of the n is nearer than ``distance``: that
    is l places on with probability p (1 - p)^(l - 1), p = n / m."""
    p, share, lag = n / len(values), 0.0, 1
    while lag < len(values) and (weight := p * (1 - p) ** (lag - 1)) > LEAST_WEIGHT:
        near = (values[lag:] - values[:-lag] < distance).mean()
        if not near:
            break
        share += weight * float(near)
        lag += 1
    return share
