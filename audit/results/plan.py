"""What a report says about the plan that its verdicts were judged under."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Value = str | int | float | bool | None


@dataclass(frozen=True)
class PlanDifference:
    """Something that was done otherwise than planned."""

    what: Annotated[str, Field(description="A setting of the policy, the setting, a size (as retrains) or original.")]
    planned: Annotated[Value, Field(description="As the plan has it.")]
    applied: Annotated[Value, Field(description="As it was done.")]

    @property
    def words(self) -> str:
        """In words: ``margin_auc: 0.03 planned, 0.05 applied``."""
        return f"{self.what}: {_shown(self.planned)} planned, {_shown(self.applied)} applied"


@dataclass(frozen=True)
class PlanRecord:
    """The plan file that a verdict was judged under."""

    hash: Annotated[str, Field(description="SHA-256 of the plan, as it states it.")]
    registered: Annotated[str, Field(description="When the plan says it was written, ISO 8601, UTC.")]
    policy_hash: Annotated[str, Field(description="SHA-256 of the planned policy.")]
    bound: Annotated[
        tuple[str, ...],
        Field(
            description="What the plan fixes: policy, sizes and, where known, setting, examples, original, retrains."
        ),
    ]
    kept: Annotated[bool, Field(description="True when everything was done as planned.")]
    differences: Annotated[tuple[PlanDifference, ...], Field(description="What was done otherwise.")]

    @property
    def sentence(self) -> str:
        """Whether the verdict was judged as planned, in one sentence without its full stop."""
        if self.kept:
            return f"judged under the plan {self.hash[:12]}, registered {self.registered}"
        changes = "; ".join(difference.words for difference in self.differences)
        return f"not as planned ({self.hash[:12]}, registered {self.registered}): {changes}"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
