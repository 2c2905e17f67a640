"""What a report draws and what decides nothing. Rates are fractions in [0, 1]."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Interval = tuple[float, float]
Rate = Annotated[float, Field(ge=0, le=1)]
"""A fraction."""


@dataclass(frozen=True)
class CalibratedPoint:
    """TPR at one fixed FPR, with a threshold taken from calibration non-members."""

    score: Annotated[str, Field(description="Attack score: phi, z or abs_z.")]
    fpr: Annotated[float, Field(description="Nominal false-positive rate (a fraction).")]
    tpr: Annotated[float, Field(description="Share of forget examples above the threshold.")]
    tpr_interval: Annotated[Interval, Field(description="Clopper-Pearson interval, 95 %.")]
    realised_fpr: Annotated[float, Field(description="Share of evaluation unseen examples above the threshold.")]
    realised_fpr_interval: Annotated[Interval, Field(description="Clopper-Pearson interval, 95 %.")]
    retrain_tpr: Annotated[
        float | None, Field(description="Mean TPR of the retrains, each at its own threshold; null without retrains.")
    ]
    original_tpr: Annotated[float | None, Field(description="TPR of the original at its own threshold.")]


@dataclass(frozen=True)
class Curve:
    """ROC points of one model for one score: ties as one block, thinned for drawing."""

    model: Annotated[str, Field(description="candidate, original, or retrain 1, retrain 2, ...")]
    score: Annotated[str, Field(description="phi or z.")]
    fpr: Annotated[tuple[Rate, ...], Field(description="False-positive rates, non-decreasing.")]
    tpr: Annotated[tuple[Rate, ...], Field(description="True-positive rates at those.")]


@dataclass(frozen=True)
class Histogram:
    """Counts of one score on forget and on unseen examples, in common bins."""

    model: Annotated[str, Field(description="candidate, original or retrains (pooled).")]
    score: Annotated[str, Field(description="phi or z.")]
    edges: Annotated[tuple[float, ...], Field(description="Bin edges; the outer bins hold what lies beyond.")]
    forget: Annotated[tuple[int, ...], Field(description="Counts of forget examples per bin.")]
    unseen: Annotated[tuple[int, ...], Field(description="Counts of unseen examples per bin.")]
