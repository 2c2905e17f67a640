"""What the data checks of a whole report found, each finding once."""

from dataclasses import dataclass

from vestige.audit.results.data_checks import Finding
from vestige.audit.results.report import Report


@dataclass(frozen=True)
class GroupedFinding:
    """candidates: names of those whose outputs showed it; empty where it concerns all of them."""

    finding: Finding
    candidates: tuple[str, ...]


def grouped_findings(report: Report) -> tuple[GroupedFinding, ...]:
    """Findings on the data, then on outputs; warnings first. A check that found something in the data is not repeated
    for the outputs."""
    of_data = () if report.data.hygiene is None else report.data.hygiene.shown
    checks = {finding.check for finding in of_data}
    candidates: dict[Finding, list[str]] = {finding: [] for finding in of_data}
    for audit in report.audits:
        for finding in () if audit.hygiene is None else audit.hygiene.shown:
            if finding.check not in checks:
                candidates.setdefault(finding, []).append(audit.candidate)
    grouped = [
        GroupedFinding(finding, () if len(names) == len(report.audits) else tuple(names))
        for finding, names in candidates.items()
    ]
    return tuple(sorted(grouped, key=lambda group: group.finding.severity != "warning"))


def warnings(report: Report) -> tuple[str, ...]:
    """The warnings as sentences, the candidates they concern before each where that is not all of them."""
    return tuple(
        f"{', '.join(group.candidates)}: {group.finding.sentence}" if group.candidates else group.finding.sentence
        for group in grouped_findings(report)
        if group.finding.severity == "warning"
    )
