"""What a report says about canaries: bounds on epsilon, and what they rest on. Nothing here decides the verdict."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

MOST = 100_000
"""Canaries; more would make no bound better and a report slow to verify."""
Count = Annotated[int, Field(ge=0, le=MOST)]
LabelKind = Literal["wrong", "as they are"]


@dataclass(frozen=True)
class CanaryBounds:
    """How well one model tells the canaries that were in from those that were out."""

    model: Annotated[str, Field(description="candidate, original, or the retrain that serves as control.")]
    right: Annotated[Count, Field(description="Right guesses, when the higher half of the scores is called in.")]
    one_run: Annotated[float, Field(description="Lower bound on epsilon from these guesses (one run).")]
    clopper_pearson: Annotated[
        float,
        Field(
            description="Lower bound on epsilon at one threshold, which was fixed on a random half of the canaries and "
            "judged on the other; it takes canaries as independent trials."
        ),
    ]
    false_positives: Annotated[Count, Field(description="Of that threshold: judged canaries wrongly called in.")]
    false_negatives: Annotated[Count, Field(description="Of that threshold: judged canaries wrongly called out.")]


@dataclass(frozen=True)
class CanaryAudit:
    """Canaries: examples of which a coin decided, before training, whether they are trained on (and then forgotten)."""

    count: Annotated[int, Field(ge=1, le=MOST, description="Number of canaries m, in and out together.")]
    included: Annotated[Count, Field(description="How many the coins put in.")]
    judged_in: Annotated[Count, Field(description="Canaries that were in, in the half that a threshold is judged on.")]
    judged_out: Annotated[Count, Field(description="Canaries that were out, in that half.")]
    labels: Annotated[LabelKind, Field(description="Whether canaries were given wrong labels.")]
    seed: Annotated[int, Field(ge=0, description="Seed of the coins.")]
    digest: Annotated[
        str, Field(description="SHA-256 over seed and assignment, written down before anything was trained.")
    ]
    score: Annotated[
        Literal["residual", "phi"],
        Field(description="Score of the guesses: the residual to the retrains, or class-centred phi."),
    ]
    level: Annotated[float, Field(gt=0, lt=1, description="Confidence level of each bound.")]
    delta: Annotated[float, Field(ge=0, lt=1, description="Delta at which epsilon is bounded.")]
    ceiling_one_run: Annotated[
        float, Field(description="The most that one_run could be here: every guess as right as this planting allows.")
    ]
    ceiling_clopper_pearson: Annotated[
        float, Field(description="The most that clopper_pearson could be here: no mistake on the judged half.")
    ]
    models: Annotated[tuple[CanaryBounds, ...], Field(description="The candidate, the original, one retrain.")]

    @property
    def sentence(self) -> str:
        """What the candidate's bound means, in words."""
        bound = self.models[0].one_run
        separates, shown = "does not separate", "no epsilon above 0 is shown"
        if bound > 0:
            separates, shown = "still separates", f"epsilon is at least {bound:.2f}"
        return (
            f"The candidate {separates} canaries that were trained on from canaries that were not: {shown} "
            f"({100 * self.level:g} % confidence; {self.count} canaries can show {self.ceiling_one_run:.2f} at most)."
        )
