"""How much of what the original knew is forgotten: a share with its interval, beside the verdict."""

from math import sqrt

import numpy as np

from vestige.audit.endpoints.scores import Scores
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import ShareForgotten
from vestige.audit.statistics.intervals import fieller, gap_error, quantile, spread_of, tail
from vestige.learners.arrays import Floats

OUTER = 0.0005
"""Quantiles of the unseen residuals, twice which residuals are cut at, so that no single example decides."""


def share_forgotten(scores: Scores, policy: Policy) -> ShareForgotten | None:
    """1 - g(candidate) / g(original), g the mean residual of forget minus unseen examples, which is 0 for a retrain.

    Linear in the leak: half of every memory left is a share of one half. Where a class was forgotten, g is the mean
    over the forget set alone, without centring. None without an original, and with a single example."""
    if not scores.has_original or min(scores.sizes) < 2:
        return None
    k = scores.retrains
    level, errors = _levels(scores)
    reference = float(level[:k].mean()) if k else 0.0
    g = level[k:] - reference
    spread = spread_of(level[:k])
    error = [gap_error(float(e), spread, 1 + 2 / max(k, 1), k, scores.setting.d0) for e in errors[k:]]
    shared = 0.0 if spread is None or scores.setting.random else spread**2 / k
    q = quantile(1 - policy.level, error[0].df)
    ends = fieller(g[0], g[1], error[0].variance, error[1].variance, shared, q)
    caught = g[1] > 0 and ends is not None
    interval = (1 - ends[1], 1 - ends[0]) if caught and ends is not None else None
    return ShareForgotten(
        candidate=float(g[0]),
        original=float(g[1]),
        estimate=float(1 - g[0] / g[1]) if caught else None,
        interval=interval,
        closer_p=_closer(g, error[0].variance, error[1].variance, shared, error[0].df) if caught else None,
    )


def _closer(g: Floats, candidate: float, original: float, shared: float, df: float) -> float:
    """P-value of: the candidate keeps at least half of what the original knows."""
    error = sqrt(max(candidate - shared + original / 4, 0.0))
    return tail(float(g[1] / 2 - g[0]) / error, df) if error else 0.0


def _levels(scores: Scores) -> tuple[Floats, Floats]:
    """g of every model and its example error."""
    table = scores.aligned if scores.setting.of_class else scores.residual
    forget, _, unseen = scores.parts(table)
    low, high = np.quantile(unseen, [OUTER, 1 - OUTER], axis=1)[:, :, None]
    centre = np.median(unseen, axis=1)[:, None]
    low, high = centre + 2 * (low - centre), centre + 2 * (high - centre)
    forget, unseen = np.clip(forget, low, high), np.clip(unseen, low, high)
    variance = forget.var(axis=1, ddof=1) / forget.shape[1]
    if scores.setting.of_class:
        return forget.mean(axis=1), np.sqrt(variance)
    variance = variance + unseen.var(axis=1, ddof=1) / unseen.shape[1]
    return forget.mean(axis=1) - unseen.mean(axis=1), np.sqrt(variance)
