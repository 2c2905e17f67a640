"""The exposure of those who stayed."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from vestige.audit.results.figures import Interval


@dataclass(frozen=True)
class RetainComparison:
    """One statistic of retain against unseen examples, on the candidate and on the retrains; report only."""

    name: Annotated[str, Field(description="auc_z, auc_abs_z or tpr_z.")]
    statistic: Annotated[str, Field(description="What is computed, in words.")]
    candidate: Annotated[float, Field(description="Value on the candidate.")]
    retrains: Annotated[tuple[float, ...], Field(description="Value on each retrain, the others as its references.")]
    gap: Annotated[float, Field(description="Candidate minus the mean of the retrains.")]
    interval: Annotated[Interval, Field(description="Seed-t interval of the gap; all three together: 1 - 2 alpha.")]


@dataclass(frozen=True)
class RetainExposure:
    """Did unlearning expose those who stayed? Report only."""

    reason: Annotated[str, Field(description="Empty, or why it was not measured.")]
    examples: Annotated[int, Field(description="Retain examples.")]
    comparisons: Annotated[tuple[RetainComparison, ...], Field(description="Retain against unseen examples.")]


@dataclass(frozen=True)
class ExposureCounts:
    """How many forget examples are flagged on one model: against Student's t, and ranked among unseen examples."""

    model: Annotated[str, Field(description="candidate, or a retrain against the others.")]
    exposed: Annotated[int, Field(description="Still remembered, by moderated t.")]
    over_forgotten: Annotated[int, Field(description="Conspicuously forgotten, by moderated t.")]
    exposed_ranked: Annotated[int, Field(description="Still remembered, by rank among unseen examples.")]
    over_forgotten_ranked: Annotated[int, Field(description="Conspicuously forgotten, by that rank.")]


@dataclass(frozen=True)
class SingleExamples:
    """Which single examples stick out: counts only, the ids are in no report."""

    reason: Annotated[str, Field(description="Empty, or why single examples were not judged.")]
    rate: Annotated[float, Field(description="False discovery rate of each direction (Benjamini-Hochberg).")]
    examples: Annotated[int, Field(description="Number of forget examples.")]
    fewest_ranked: Annotated[
        int,
        Field(description="So many must lie beyond every unseen example before a ranked count can be above 0."),
    ]
    counts: Annotated[
        tuple[ExposureCounts, ...], Field(description="The candidate, then each retrain against the others.")
    ]
