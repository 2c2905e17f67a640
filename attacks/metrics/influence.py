"""How much each example moves an AUC: the basis of intervals where rows belong together or many models are judged.

An AUC is, to first order, its expectation plus the sum of the examples' influences. Rows of one person, and the same
row on many targets, move together: their influences are added before they are squared, so that repeating rows or
targets narrows no interval.
"""

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics import distributions as stats
from vestige.attacks.metrics.roc import placements
from vestige.learners.arrays import Array, Floats
from vestige.learners.errors import DataError


def auc_influence(scores: ArrayLike, member: ArrayLike, clusters: ArrayLike | None = None) -> Float64[Array, " n"]:
    """Influence of each example on the AUC, zero in sum; the sum of their squares is DeLong's variance.

    scores ``[n]``, higher = member. member: bool ``[n]``. clusters ``[n]``: to whom each row belongs, where the
    variance will be taken over people (each side is then scaled by C / (C - 1), C its people); None: every row for
    itself. For a difference of AUCs on the same examples, subtract influences. Raises NotEstimable below two members or
    two non-members (rows, or people). Source: DeLong et al. 1988, section 2; Obuchowski 1997, section 2.

    >>> auc_influence([0.8, 0.1, 0.3, 0.2], [True, True, False, False]).round(6).tolist()
    [0.353553, -0.353553, 0.0, 0.0]
    """
    values, inside = np.asarray(scores, np.float64), np.asarray(member)
    if values.ndim != 1 or inside.shape != values.shape or inside.dtype != np.bool_:
        raise DataError(f"expected scores [n] and a mask [n], got {list(values.shape)} and {list(inside.shape)}")
    owners = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    counts = len(np.unique(owners[inside])), len(np.unique(owners[~inside]))
    if min(counts) < 2:
        whose = "" if clusters is None else " (people)"
        raise NotEstimable(
            f"variance of an AUC: expected at least 2 members and 2 non-members{whose}, got {counts[0]} and {counts[1]}"
        )
    moves = np.empty(len(values))
    for side, count, share in zip((inside, ~inside), counts, placements(values[inside], values[~inside]), strict=True):
        moves[side] = (share - share.mean()) * np.sqrt(count / (count - 1.0)) / len(share)
    return moves


def clustered_variance(influence: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """Variance of a statistic from its influences ``[n]``; rows with the same value of ``clusters [n]`` (a person)
    count as one. None: every row for itself. Source: Obuchowski 1997 (Biometrics 53:567), section 2.

    >>> clustered_variance([0.1, 0.1, -0.2]), clustered_variance([0.1, 0.1, -0.2], ["a", "a", "b"])
    (0.06000000000000001, 0.08000000000000002)
    """
    moves: Floats = np.asarray(influence, np.float64)
    if clusters is not None:
        _, place = np.unique(np.asarray(clusters), return_inverse=True)
        moves = np.bincount(place, weights=moves).astype(np.float64)
    return float((moves**2).sum())


def two_way_variance(influence: ArrayLike, units: ArrayLike, clusters: ArrayLike | None = None) -> tuple[float, float]:
    """Variance of a mean over T models, from their influences ``[T, n]`` on the same examples; and how many degrees of
    freedom it has (Satterthwaite's: few models and many examples make something between).

    Both the models (``units [T]``: those that were made together, a complementary pair, count as one) and the examples
    (``clusters [n]``) are a sample: both parts are added, and what both count is subtracted; never less than the
    larger of the two. Source: Cameron, Gelbach and Miller 2011 (JBES 29:238), section 2.1.

    influence: row t holds the model's own value minus the mean over models in its sum (``auc_influence`` sums to zero,
    so add ``(value - mean) / n`` to each of its entries).
    """
    moves = np.asarray(influence, np.float64)
    if moves.ndim != 2 or len(np.asarray(units)) != len(moves):
        raise DataError(f"expected influences [models, n] and as many units, got {list(moves.shape)}")
    moves = moves / len(moves)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    groups, examples = int(unit.max()) + 1, moves.shape[1] if clusters is None else len(np.unique(np.asarray(clusters)))
    together = np.zeros((groups, moves.shape[1]))
    np.add.at(together, unit, moves)
    correction = groups / (groups - 1) if groups > 1 else 1.0
    by_model = float(correction * (together.sum(1) ** 2).sum())
    by_example = clustered_variance(moves.sum(0), clusters)
    both = sum(clustered_variance(row, clusters) for row in together)
    variance = max(by_model, by_example, by_model + by_example - both)
    spread = by_model**2 / max(1, groups - 1) + by_example**2 / max(1, examples - 1)
    least = float(max(1, groups - 1))
    return variance, max(least, variance**2 / spread) if spread > 0 else least


def share_interval(hits: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of the share of ``hits [n]`` (Clopper-Pearson); with ``clusters [n]`` at the number of independent
    examples that these are worth, adjusted for the few people from whom that is estimated, and never more than n; with
    one person nothing is known. Source: Korn and Graubard 1998 (Survey Methodology 24:193), section 3.

    >>> [round(end, 4) for end in share_interval([True, False, False, False])]
    [0.0063, 0.8059]
    """
    caught = np.asarray(hits, np.bool_)
    n, share = len(caught), float(caught.mean())
    worth = float(n)
    if clusters is not None:
        people = len(np.unique(np.asarray(clusters)))
        if people < 2:
            return 0.0, 1.0
        spread = people / (people - 1) * clustered_variance((caught - share) / n, clusters)
        # Without any spread to be seen, rows prove no more than one example a person does.
        worth = share * (1 - share) * n / (n - 1) / spread if spread > 1e-12 else float(people)
        worth = min(float(n), worth * float(stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, people - 1)) ** 2)
    tail, count = (1 - level) / 2, share * worth
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, count, worth - count + 1))
    high = 1.0 if share == 1 else float(stats.beta.ppf(1 - tail, count + 1, worth - count))
    return low, high
