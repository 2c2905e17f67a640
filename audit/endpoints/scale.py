"""One scale for all models: what a temperature, a constant or a sharper recipe changes is taken out of every score.

Source: docs/verdict.md, "From logits to scores".
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from vestige.learners.arrays import Array, Floats, Logits
from vestige.learners.errors import DataError

LEAST_SLOPE = 0.02
"""Below this a model's phi hardly follows its retrains': then only the median is aligned."""
LEAST_RELIABILITY = 0.3
MOST_VALUES = 2**23
"""Numbers per model that its scale is measured on; more change nothing."""


def levels(models: list[Logits], rows: NDArray[np.int64], names: list[str]) -> Floats:
    """The scale ``[models]`` of each model's logits ``[n, classes]``: the median over ``rows`` and classes of the
    distance from the row's median logit.

    A median, so that a class that is masked by a large constant does not move it. Where it is 0 for any model, since
    most of its logits are equal in every row, the mean takes its place for all. DataError for a model whose logits are
    equal in every row."""
    classes = models[0].shape[1]
    some = rows[: max(1, MOST_VALUES // classes)]

    def distances(logits: Logits) -> Floats:
        values = np.asarray(logits[some], np.float64)
        return np.abs(values - np.median(values, axis=1, keepdims=True))

    found = np.array([np.median(distances(logits)) for logits in models])
    if not found.all():
        found = np.array([distances(logits).mean() for logits in models])
    for name, level in zip(names, found, strict=True):
        if not level:
            raise DataError(
                f"{name}: expected logits that differ between classes, got the same for all; check the file"
            )
    return found


@dataclass(frozen=True)
class Alignment:
    """A model's phi as a straight line of its references' mean. followed: whether it follows them at all."""

    slope: float
    intercept: float

    @property
    def followed(self) -> bool:
        """Whether there is a line; else only the medians are aligned."""
        return self.slope > LEAST_SLOPE

    def apply(self, phi: Floats) -> Floats:
        """phi on the references' scale."""
        return (phi - self.intercept) / (self.slope if self.followed else 1.0)


def align(phi: Float64[Array, " rows"], mean: Float64[Array, " rows"], noise: float) -> Alignment:
    """The line of ``phi`` on ``mean`` (of the references), by least squares within the mean's 1 to 99 % range.

    noise: variance of ``mean`` that comes from the references' seeds; it flattens the line, which is corrected for, up
    to a factor of 1 / 0.3."""
    low, high = np.quantile(mean, [0.01, 0.99])
    inside = (mean >= low) & (mean <= high)
    x, y = mean[inside], phi[inside]
    variance = float(np.var(x))
    slope = 0.0
    if variance > 0:
        reliability = max(1 - noise / variance, LEAST_RELIABILITY)
        slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / variance / reliability
    if slope <= LEAST_SLOPE:
        return Alignment(slope, float(np.median(phi) - np.median(mean)))
    return Alignment(slope, float(y.mean() - slope * x.mean()))
