"""What the second mode of the verdict measured: statistics of single models, judged over examples.

Every field here is a key of the report. AUCs, TPRs and FPRs are fractions in [0, 1]; a gap is the distance from what a
model that was trained on neither forget nor unseen examples shows in expectation; higher = more member-like.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.figures import Interval

Declaration = Literal["declared", "known"]
"""Who vouches for exchangeability: the user, or this project, which drew both sets from one pool itself."""
ExampleDecision = Literal["within", "outside", "uncertain", "not estimable"]


@dataclass(frozen=True)
class ExampleEndpoint:
    """One statistic of the candidate, and of the original, against what exchangeable examples give."""

    name: Annotated[str, Field(description="Identifier: X1, X2, X3 (AUC), Y2, Y3 (TPR at low FPR).")]
    statistic: Annotated[str, Field(description="What is computed, in words.")]
    sides: Annotated[Literal["two", "upper"], Field(description="Which gaps count: both signs, or only a leak.")]
    candidate: Annotated[float | None, Field(description="AUC or TPR of the candidate; null when not estimable.")]
    candidate_fpr: Annotated[
        float | None, Field(description="Y2, Y3: share of evaluation unseen examples above the same threshold.")
    ]
    gap: Annotated[float | None, Field(description="AUC minus one half, or TPR minus that realised FPR.")]
    error: Annotated[
        float | None,
        Field(
            description="Standard error of the gap over examples. AUC: DeLong's, at least that of exchangeable "
            "examples; TPR: the one at the margin."
        ),
    ]
    interval: Annotated[Interval | None, Field(description="Interval of the gap for PASS, level 1 - 2 alpha.")]
    original: Annotated[float | None, Field(description="AUC or TPR of the original; null when there is none.")]
    original_fpr: Annotated[float | None, Field(description="Y2, Y3: realised FPR of the original.")]
    original_gap: Annotated[float | None, Field(description="The same gap on the original.")]
    original_error: Annotated[float | None, Field(description="Standard error of the original's gap.")]
    margin: Annotated[float, Field(description="Margin of the policy.")]
    margin_effective: Annotated[
        float, Field(description="Margin used for PASS: at most half of the original's own gap where that is detected.")
    ]
    plan_width: Annotated[
        float | None, Field(description="Margin that a perfect candidate certifies with 80 % probability, from sizes.")
    ]
    p_value: Annotated[float | None, Field(description="P-value of the FAIL test, unadjusted.")]
    p_holm: Annotated[float | None, Field(description="P-value of the FAIL test, Holm-adjusted over the family.")]
    decision: Annotated[
        ExampleDecision, Field(description="within: interval inside the margin; outside: FAIL test rejects.")
    ]
    reason: Annotated[str, Field(description="Empty, or why the endpoint is not estimable.")] = ""


@dataclass(frozen=True)
class ContradictionTest:
    """One test of exchangeability on models that were trained on neither set, or on the labels."""

    name: Annotated[str, Field(description="classes, retrain 1, retrain 2, shadows, or classifier.")]
    auc: Annotated[
        float | None, Field(description="AUC of forget against unseen examples; null for the mix of classes.")
    ]
    p: Annotated[float, Field(description="P-value; small speaks against exchangeability.")]


@dataclass(frozen=True)
class Exchangeable:
    """The second mode of the verdict: forget and unseen examples taken to be drawn alike."""

    declared: Annotated[
        Declaration,
        Field(description="declared: by the user; known: both sets were drawn from one pool by this project."),
    ]
    shadows: Annotated[int, Field(description="Number of models given that were trained on neither set.")]
    tests: Annotated[tuple[ContradictionTest, ...], Field(description="What was tried against the declaration.")]
    contradicted: Annotated[tuple[str, ...], Field(description="Tests that reject, Bonferroni over all, level 1 %.")]
    endpoints: Annotated[tuple[ExampleEndpoint, ...], Field(description="Endpoints over examples; all are primary.")]
    detecting: Annotated[tuple[str, ...], Field(description="Per-example endpoints that catch the original.")]
    firing: Annotated[tuple[str, ...], Field(description="All endpoints whose FAIL test rejects on the original.")]
    problem: Annotated[str, Field(description="Empty, or how the original speaks against the files given.")]
    accuracy: Annotated[float, Field(description="Accuracy of the candidate on unseen examples.")]
    original_accuracy: Annotated[
        float | None, Field(description="Accuracy of the original on unseen examples; null when there is none.")
    ]
    accuracy_interval: Annotated[
        Interval | None,
        Field(
            description="Interval of candidate minus original over examples, level 1 - 2 alpha. Without retrains PASS "
            "needs it above the tolerated loss; with retrains nothing rests on it."
        ),
    ]
