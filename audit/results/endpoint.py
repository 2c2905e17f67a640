"""The endpoint as a report states it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.figures import Interval, Rate

Gap = Annotated[float, Field(ge=-1, le=1)]
Decision = Literal["within", "outside", "uncertain", "not estimable"]


@dataclass(frozen=True)
class Endpoint:
    """One statistic that the verdict is decided on, with its value on every model."""

    name: Annotated[str, Field(description="Identifier: A1 to A4, T1, T2, T4 (primary) or F1 to F5 (FAIL only).")]
    statistic: Annotated[str, Field(description="What is computed, in words.")]
    sides: Annotated[Literal["two", "upper"], Field(description="Which gaps count: both signs, or only a leak.")]
    primary: Annotated[bool, Field(description="True when PASS requires this endpoint.")]
    per_example: Annotated[bool, Field(description="True when the attack is calibrated for each example.")]
    candidate: Annotated[Rate | None, Field(description="Value on the candidate; null when not estimable.")]
    retrains: Annotated[tuple[Rate, ...], Field(description="Value on each reference retrain, in order.")]
    original: Annotated[Rate | None, Field(description="Value on the original; null when there is none.")]
    gap: Annotated[Gap | None, Field(description="Candidate minus the mean of the retrains.")]
    original_gap: Annotated[Gap | None, Field(description="Original minus the mean of the retrains.")]
    spread: Annotated[
        float | None,
        Field(
            description="Standard deviation (divisor K - 1) over the retrains; on T1 and T2 at least 1 / number of "
            "forget examples."
        ),
    ]
    interval: Annotated[Interval | None, Field(description="Interval of the gap for PASS, level 1 - 2 alpha.")]
    simultaneous: Annotated[
        Interval | None, Field(description="Bonferroni interval of the gap over the whole family, for display.")
    ]
    example_half_width: Annotated[
        float | None, Field(description="Half-width of the interval from the examples alone (retrain seed ignored).")
    ]
    margin: Annotated[Rate, Field(description="Margin of the policy.")]
    margin_effective: Annotated[
        Rate, Field(description="Margin used for PASS: at most half of the original's own gap where that is detected.")
    ]
    half_width: Annotated[float | None, Field(description="Half-width h of the PASS interval, from the retrains.")]
    plan_width: Annotated[
        float | None, Field(description="Margin that a perfect candidate certifies with 80 % probability.")
    ]
    p_value: Annotated[float | None, Field(description="P-value of the FAIL test, unadjusted.")]
    p_holm: Annotated[float | None, Field(description="P-value of the FAIL test, Holm-adjusted over the family.")]
    decision: Annotated[
        Decision, Field(description="within: interval inside the margin; outside: FAIL test rejects; else uncertain.")
    ]
    reason: Annotated[str, Field(description="Empty, or why the endpoint is not estimable.")] = ""
    randomisation_p: Annotated[
        float | None,
        Field(
            description="Share of candidate and retrains that lie at least as far from the null value (0.5, or the "
            "FPR) as the candidate; reported only, as it cannot go below 1 / (K + 1)."
        ),
    ] = None
