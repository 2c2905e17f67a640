"""One statistic on every model, and how far off its gap may be by the examples alone."""

from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
from jaxtyping import Float64

from vestige.attacks.metrics.roc import auc_rows, delong_variance, placements
from vestige.audit.statistics.intervals import null_error
from vestige.learners.arrays import Array, Floats

LEAST_PAIRED = 30
"""Examples below which a paired error says too little for a normal quantile."""


@dataclass(frozen=True, eq=False)
class Statistic:
    """What an endpoint computed.

    values: on the retrains, the candidate (and the original), None where it is not estimable (``reason`` says why).
    errors: example error of the gap of the candidate (and of the original). null: what values are compared with in
    place of the retrains' mean. floor: least spread over the retrains. expected: example error that a candidate would
    have, from retrains and sizes alone; unseen_share: the part of its square that more unseen examples would shrink.
    where: the class or group that it is computed on, empty for all. forget, unseen: sizes. in_force: whether it is
    precise enough, by the sizes alone, for PASS to require it.
    """

    values: Float64[Array, " models"] | None
    forget: int
    unseen: int
    errors: Floats = field(default_factory=lambda: np.empty(0))
    null: float | None = None
    floor: float = 0.0
    expected: float = 0.0
    unseen_share: float = 0.0
    where: str = ""
    in_force: bool = True
    reason: str = ""

    def alone(self, retrains: int, place: int) -> "Statistic":
        """The same with the model at ``place`` after the retrains as candidate, and the last one as original."""
        if self.values is None:
            return self
        chosen = [*range(retrains), retrains + place, len(self.values) - 1]
        return replace(self, values=self.values[chosen], errors=self.errors[[place, len(self.errors) - 1]])


def absent(reason: str, forget: int = 0, unseen: int = 0, where: str = "") -> Statistic:
    """A statistic that is not estimable."""
    return Statistic(None, forget, unseen, reason=reason, where=where)


def null_auc(forget: Floats, unseen: Floats, retrains: int, **more: object) -> Statistic:
    """AUC of forget against unseen scores, ``[models, f]`` and ``[models, u]``, with the error that a model has which
    ranks both alike."""
    f, u = forget.shape[1], unseen.shape[1]
    values = auc_rows(forget, unseen)
    error = null_error(f, u)
    errors = np.full(len(values) - retrains, error)
    share = f / (f + u)
    return Statistic(values, f, u, errors, expected=error, unseen_share=share, **more)  # type: ignore[arg-type]


def paired_auc(forget: Floats, unseen: Floats, retrains: int, *, random: bool) -> Statistic:
    """AUC of forget against unseen scores with the paired error of DeLong: what candidate and retrains share in the
    examples drops out of the gap.

    random: the forget set is a random draw, so that a model which never saw it has AUC 1/2 within the error of the
    sizes alone. It is compared with that in place of the retrains' mean, unless at least three retrains show, without
    the candidate, that pairing is the more precise, on enough examples to know it."""
    f, u = forget.shape[1], unseen.shape[1]
    values, least = auc_rows(forget, unseen), null_error(f, u)
    if min(f, u) < 2:
        return absent(f"needs at least 2 forget and 2 unseen examples, got {f} and {u}", f, u)
    pairs = [placements(*model) for model in zip(forget, unseen, strict=True)]
    v10, v01 = np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
    expected, share = _paired_of_retrains(v10[:retrains], v01[:retrains], least)
    null = 0.5 if random and (retrains < 3 or expected > least or min(f, u) < LEAST_PAIRED) else None
    if null is not None or retrains < 2:
        errors = [max(least, sqrt(delong_variance(v10[m], v01[m]))) for m in range(retrains, len(values))]
        return Statistic(values, f, u, np.array(errors), null, expected=least, unseen_share=f / (f + u))
    mean10, mean01 = v10[:retrains].mean(axis=0), v01[:retrains].mean(axis=0)
    errors = [
        max(least / 2, sqrt(delong_variance(v10[m] - mean10, v01[m] - mean01))) for m in range(retrains, len(values))
    ]
    return Statistic(values, f, u, np.array(errors), expected=max(expected, least / 2), unseen_share=share)


def _paired_of_retrains(v10: Floats, v01: Floats, least: float) -> tuple[float, float]:
    """Paired error of a new model against these retrains, and the part of its square that unseen examples make: what
    the retrains show against their own mean, times sqrt((K + 1) / (K - 1)), as that mean holds the retrain itself."""
    k = len(v10)
    if k < 2:
        return least, v10.shape[1] / (v10.shape[1] + v01.shape[1])
    of_forget, of_unseen = (np.var(v - v.mean(axis=0), axis=1, ddof=1) / v.shape[1] for v in (v10, v01))
    mean = float(np.sqrt(of_forget + of_unseen).mean())
    total = float((of_forget + of_unseen).sum())
    return mean * sqrt((k + 1) / (k - 1)), float(of_unseen.sum()) / total if total else 0.0
