"""What was looked for in data and models before a verdict, and what was found."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.figures import Interval

Severity = Literal["clear", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One check. What it measured decides severity and sentence, so that both can be derived again."""

    check: Annotated[str, Field(description="Name of the check.")]
    severity: Annotated[
        Severity, Field(description="clear: nothing found; note: good to know; warning: it can mislead a verdict.")
    ]
    count: Annotated[int, Field(ge=0, description="How many examples, people, classes or models it concerns.")]
    of: Annotated[int, Field(ge=0, description="Of how many.")]
    value: Annotated[float | None, Field(description="What else was measured; null for counts alone.")]
    interval: Annotated[Interval | None, Field(description="Interval of the value, or what chance gives.")]
    sentence: Annotated[str, Field(description="The finding in one sentence; empty when clear.")]


@dataclass(frozen=True)
class Hygiene:
    """Every check that was made, in a fixed order; those that found nothing too, so that none can be left out."""

    findings: Annotated[tuple[Finding, ...], Field(description="One entry a check.")]

    @property
    def shown(self) -> tuple[Finding, ...]:
        """Checks that found something, warnings first."""
        findings = [finding for finding in self.findings if finding.severity != "clear"]
        return tuple(sorted(findings, key=lambda finding: finding.severity != "warning"))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Checks that found what can mislead a verdict."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")
