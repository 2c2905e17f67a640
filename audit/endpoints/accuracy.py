"""L: right answers on the forget set."""

from collections.abc import Iterator
from math import sqrt

import numpy as np

from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent
from vestige.audit.policy import Policy
from vestige.learners.arrays import Floats

PLAIN = "forget set alone"


def labels(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """L: accuracy on forget minus accuracy on unseen examples; on the forget set alone where a class was forgotten, and
    in addition where people were who occur nowhere else."""
    f, _, u = scores.sizes
    if scores.classless:
        yield absent("needs classes", f, u)
        return
    forget, _, unseen = scores.parts(scores.right)
    if scores.setting.of_class:
        yield difference([forget], scores, "")
        return
    yield difference([forget, unseen], scores, "")
    if scores.people_apart:
        yield difference([forget], scores, PLAIN)


def difference(parts: list[Floats], scores: Scores, where: str) -> Statistic:
    """Mean of the first of ``parts [models, n]`` minus that of the second, where there is one."""
    k, values = scores.retrains, parts[0].mean(axis=1)
    if len(parts) > 1:
        values = values - parts[1].mean(axis=1)
    sizes = [part.shape[1] for part in parts]
    f, u = sizes[0], sizes[-1] if len(sizes) > 1 else 0
    null = 0.0 if scores.setting.random and not k else None
    squares = [share_errors(part, k) for part in parts]
    errors = np.maximum(np.sqrt(np.sum(squares, axis=0)), 1 / f)
    of_retrains = np.sum([_retrain_errors(part[:k]) for part in parts], axis=0) if k > 1 else 1 / f**2
    expected = max(sqrt(float(of_retrains)), 1 / f)
    unseen = float(_retrain_errors(parts[1][:k])) / expected**2 if len(parts) > 1 and k > 1 else 0.0
    return Statistic(values, f, u, errors, null, 1 / f, expected, min(unseen, 1.0), where)


def share_errors(right: Floats, retrains: int) -> Floats:
    """Squared example error of each other model's share of right answers minus the retrains' mean, ``right [models,
    n]``."""
    usual = right[:retrains].mean(axis=0) if retrains else 0.0
    n = right.shape[1]
    return np.asarray((right[retrains:] - usual).var(axis=1, ddof=1 if n > 1 else 0) / n)


def _retrain_errors(right: Floats) -> float:
    """The same of a new model, from the retrains ``[K, n]`` alone."""
    k, n = right.shape
    against_mean = (right - right.mean(axis=0)).var(axis=1, ddof=1 if n > 1 else 0).mean() / n
    return float(against_mean * (k + 1) / (k - 1))
