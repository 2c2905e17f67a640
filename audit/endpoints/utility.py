"""Is the candidate as useful as the retrains? Accuracy on retain and unseen examples; of scores without classes the
loss."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt
from typing import Literal

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.accuracy import share_errors
from vestige.audit.endpoints.readings import is_classless
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Utility
from vestige.audit.results.setting import Setting
from vestige.audit.statistics.intervals import GapError, gap_error, spread_of
from vestige.learners.arrays import Floats, Indices

Role = Literal["retain", "unseen"]
Decision = Literal["no worse", "worse", "uncertain", "open"]


def utility(outputs: Outputs, kept: tuple[int, ...], setting: Setting, policy: Policy) -> tuple[Utility, ...]:
    """Utility on the retain rows and on the unseen rows, as far as there are any; in the class setting unseen rows of
    the other classes. kept: places of the retrains in the reference; without any the original is the reference, and
    without that nothing is."""
    return tuple(_utilities(outputs, kept, setting, policy))


def _utilities(outputs: Outputs, kept: tuple[int, ...], setting: Setting, policy: Policy) -> Iterator[Utility]:
    k, classless = len(outputs.retrain), is_classless(outputs)
    models = [*kept, *range(k, len(outputs.models))]
    if len(models) < 2:
        return
    signal = "loss" if classless else "correctness"
    table = outputs.signals(signal)[signal][models]
    roles: tuple[Role, ...] = ("retain", "unseen")
    for role in roles:
        rows = outputs.where(role)
        if role == "unseen" and setting.of_class:
            rows = rows & ~np.isin(outputs.labels, outputs.labels[outputs.where("forget")])
        if rows.any():
            yield _one(table, np.flatnonzero(rows), role, len(kept), policy, classless=classless)


def _one(table: Floats, rows: Indices, role: Role, k: int, policy: Policy, *, classless: bool) -> Utility:
    of_rows = table.take(rows, axis=1)
    references = of_rows[:k] if k else of_rows[[1]]
    compared = np.concatenate([references, of_rows[k : k + 1]])
    if classless:
        values, example = _log_losses(compared, of_rows)
    else:
        values = of_rows.mean(axis=1)
        example = max(sqrt(float(share_errors(compared, len(references))[0])), 1 / len(rows))
    reference = values[:k].mean() if k else values[1]
    margin = policy.margin_loss if classless else policy.margin_utility
    gap = float(values[k] - reference)
    error = utility_error(values[:k], example)
    half = error.half_width(policy.level)
    return Utility(
        role=role,
        measure="log_loss" if classless else "accuracy",
        examples=len(rows),
        candidate=float(values[k]),
        retrains=tuple(float(value) for value in values[:k]),
        original=float(values[k + 1]) if len(values) > k + 1 else None,
        gap=gap,
        example_error=example,
        interval=(gap - half, gap + half),
        margin=margin,
        decision=decide(gap, half, margin, k, strict=policy.profile == "strict"),
    )


def _log_losses(compared: Floats, of_rows: Floats) -> tuple[Floats, float]:
    """Minus the log of the mean loss of each model, and the error of the candidate's less the references'."""
    losses = -of_rows
    means = np.maximum(losses.mean(axis=1), np.finfo(np.float64).tiny)
    of_references, candidate = -compared[:-1].mean(axis=0), -compared[-1]
    relative = candidate / max(candidate.mean(), 1e-300) - of_references / max(of_references.mean(), 1e-300)
    n = len(candidate)
    return -np.log(means), max(float(np.std(relative, ddof=1 if n > 1 else 0)) / sqrt(n), 1 / n)


def utility_error(retrains: Floats, example_error: float) -> GapError:
    """The error of a gap of utility: whatever the setting, a seed moves accuracy. At least that of the examples: the
    margin may be no wider than this error, so that retrains which happen to agree must not hide it."""
    k = len(retrains)
    error = gap_error(example_error, spread_of(retrains), 1 + 1 / max(k, 1), k, 1.0)
    return replace(error, variance=max(error.variance, example_error**2))


def decide(gap: float, half: float, margin: float, retrains: int, *, strict: bool = False) -> Decision:
    """Where the interval lies. ``strict`` takes what is not shown to be no worse for an obstacle; with fewer than two
    retrains, where a seed is in no error, a loss must be twice the margin to be one."""
    if gap + half < -margin:
        return "worse"
    if gap - half > -margin:
        return "no worse"
    beyond = gap < -margin * (1 if retrains > 1 else 2) and gap + half < 0
    return "uncertain" if strict or beyond else "open"
