"""E5: is the candidate as accurate as the retrains?"""

from typing import Literal

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import SEED_ALLOWANCE
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Utility
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats

Role = Literal["retain", "unseen"]


def utility(outputs: Outputs, kept: tuple[int, ...], policy: Policy) -> tuple[Utility, ...]:
    """The utility endpoints: accuracy on the retain rows (where there are any) and on all unseen rows.

    kept: indices of the retrains in the reference; without any there is nothing to compare with.
    """
    roles: tuple[Role, ...] = ("retain", "unseen")
    return tuple(_one(outputs, role, kept, policy) for role in roles if kept and outputs.where(role).any())


def _one(outputs: Outputs, role: Role, kept: tuple[int, ...], policy: Policy) -> Utility:
    rows = np.flatnonzero(outputs.where(role))
    right, k = outputs.signals("correctness")["correctness"], len(outputs.retrain)
    retrains, candidate = right[list(kept)][:, rows], right[k, rows]
    original = None if outputs.original is None else right[k + 1, rows]
    accuracies = retrains.mean(axis=1)
    gap, width = compare(accuracies, float(candidate.mean()), len(rows), policy.alpha, candidate - retrains.mean(0))
    return Utility(
        role=role,
        candidate=float(candidate.mean()),
        retrains=tuple(float(value) for value in accuracies),
        original=None if original is None else float(original.mean()),
        gap=gap,
        interval=(gap - width, gap + width),
        margin=policy.margin_utility,
        decision=decide(gap, width, policy.margin_utility),
    )


def compare(
    retrains: Floats, candidate: float, examples: int, alpha: float, differences: Floats
) -> tuple[float, float]:
    """Gap of an accuracy to the mean of the retrains' ``[K]``, and the half-width of its interval, level 1 - 2 alpha.

    The spread over retrains is at least one example's worth. Below three retrains the interval comes from the examples'
    ``differences [n]`` (correct on the candidate minus mean over retrains), with an allowance for the seed.
    """
    gap = candidate - float(retrains.mean())
    if len(retrains) >= MIN_RETRAINS:
        spread = intervals.floored_spread(retrains, 1 / examples)
        return gap, intervals.half_width(spread, len(retrains), alpha)
    error = max(float(np.std(differences)), 1 / examples) / np.sqrt(examples)
    return gap, float(stats.norm.ppf(1 - alpha) * error) + SEED_ALLOWANCE


def decide(gap: float, width: float, margin: float) -> Literal["non-inferior", "inferior", "uncertain"]:
    """Where the interval lies against ``-margin``."""
    if gap - width > -margin:
        return "non-inferior"
    return "inferior" if gap + width < -margin else "uncertain"
