"""The endpoint as a report states it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.figures import Interval

EndpointName = Literal["M", "S", "T", "L", "B", "A4", "T4", "V", "D", "F4", "F5", "G"]
Value = Annotated[float, Field(ge=-1, le=1)]
Error = Annotated[float, Field(ge=0, le=2)]
Decision = Literal["within", "outside", "uncertain", "not estimable"]
Role = Literal["primary", "fail_only"]


@dataclass(frozen=True)
class Endpoint:
    """One statistic that the verdict is decided on, with its value on every model."""

    name: Annotated[
        EndpointName, Field(description="M, S, T, L, B, V, D or G; with shadow models also A4, T4, F4, F5.")
    ]
    where: Annotated[str, Field(description="Class or group that it is computed on; empty for the whole forget set.")]
    statistic: Annotated[str, Field(description="What is computed, in words.")]
    sides: Annotated[Literal["two", "upper"], Field(description="Which gaps count: both signs, or only upwards.")]
    role: Annotated[Role, Field(description="primary: PASS requires it; fail_only: it can only cause FAIL.")]
    forget: Annotated[int, Field(ge=0, description="Forget examples (or people, or rows of the class) it rests on.")]
    unseen: Annotated[int, Field(ge=0, description="Examples that they are compared with; of T those that calibrate.")]
    candidate: Annotated[Value | None, Field(description="Value on the candidate; null when not estimable.")]
    retrains: Annotated[tuple[Value, ...], Field(description="Value on each reference retrain, leave-one-out.")]
    original: Annotated[Value | None, Field(description="Value on the original; null when there is none.")]
    reference: Annotated[
        Value | None,
        Field(description="What the candidate is compared with: the mean of the retrains, or the value of chance."),
    ]
    chance: Annotated[bool, Field(description="True when that is the value of chance, as in a random draw.")]
    gap: Annotated[float | None, Field(description="Candidate minus the reference.")]
    original_gap: Annotated[float | None, Field(description="Original minus the reference.")]
    example_error: Annotated[Error | None, Field(description="e: standard error of the gap from the examples alone.")]
    original_error: Annotated[Error | None, Field(description="The same of the original's gap.")]
    expected_error: Annotated[
        Error | None, Field(description="The same of any candidate's, from retrains and sizes alone.")
    ]
    spread: Annotated[float | None, Field(description="s: standard deviation (divisor K - 1) over the retrains.")]
    factor: Annotated[float | None, Field(description="c squared: variance of a gap over that of the retrains.")]
    d0: Annotated[float | None, Field(description="As how many more retrains the examples count; null: infinitely.")]
    df: Annotated[float | None, Field(description="Degrees of freedom; null: infinitely many.")]
    interval: Annotated[Interval | None, Field(description="Interval of the gap for PASS, level 1 - 2 alpha.")]
    half_width: Annotated[float | None, Field(description="Half-width of that interval.")]
    expected_half_width: Annotated[
        float | None, Field(description="Half-width that a candidate would have, from retrains and sizes alone.")
    ]
    plan_width: Annotated[
        float | None, Field(description="Margin that a perfect candidate certifies with 80 % probability.")
    ]
    margin: Annotated[float, Field(ge=0, le=1, description="Margin of the policy.")]
    margin_effective: Annotated[
        float,
        Field(ge=0, le=1, description="Margin of PASS: at most half of the original's own gap where that is caught."),
    ]
    weight: Annotated[float | None, Field(description="Weight in the family of FAIL tests (weighted Holm).")]
    p_value: Annotated[float | None, Field(description="P-value of the FAIL test, unadjusted.")]
    p_holm: Annotated[float | None, Field(description="P-value of the FAIL test, Holm-adjusted over the family.")]
    p_zero_holm: Annotated[
        float | None, Field(description="The same with margin 0: whether any difference is detectable.")
    ]
    decision: Annotated[
        Decision, Field(description="within: interval inside the margin; outside: FAIL test rejects; else uncertain.")
    ]
    reason: Annotated[str, Field(description="Empty, or why the endpoint is not estimable.")] = ""

    @property
    def label(self) -> str:
        """Name, and the class or group."""
        return f"{self.name}: {self.where}" if self.where else self.name

    @property
    def primary(self) -> bool:
        """Whether PASS requires it."""
        return self.role == "primary"
