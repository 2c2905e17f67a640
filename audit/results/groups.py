"""The worst case: groups of forget examples judged by themselves, and the exposure of retained ones."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.figures import Interval

Kind = Literal["class", "declared", "stratum"]
GroupStanding = Literal["within", "uncertain", "outside", "not assessed"]


@dataclass(frozen=True)
class GroupResult:
    """A group of forget examples, compared with the retrains on the same endpoints with the margin for groups."""

    name: Annotated[str, Field(description="class N, group NAME, or the most memorised quarter.")]
    kind: Annotated[
        Kind,
        Field(description="class: by label; declared: by the given groups; stratum: by how much the original knows."),
    ]
    forget: Annotated[int, Field(description="Forget examples of the group.")]
    unseen: Annotated[int, Field(description="Unseen evaluation examples that they are compared with.")]
    reason: Annotated[str, Field(description="Empty, or why the group was not assessed.")]
    standing: Annotated[
        GroupStanding,
        Field(description="within: every interval inside the margin; outside: a FAIL test rejects; else in between."),
    ]
    endpoints: Annotated[
        tuple[Endpoint, ...], Field(description="The primary endpoints on this group; none where it was not assessed.")
    ]


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
