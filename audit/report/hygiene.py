"""What the hygiene checks of a whole report found, each thing once."""

from dataclasses import dataclass

from vestige.audit.results.data_checks import Finding
from vestige.audit.results.report import Report


@dataclass(frozen=True)
class Found:
    """A finding. candidates: names of those whose outputs showed it; empty where it concerns all of them."""

    finding: Finding
    candidates: tuple[str, ...]


def found(report: Report) -> tuple[Found, ...]:
    """Findings on the data, then on outputs; warnings first. A check that the data answered is not told twice."""
    of_data = () if report.data.hygiene is None else report.data.hygiene.shown
    said = {one.check for one in of_data}
    by: dict[Finding, list[str]] = {one: [] for one in of_data}
    for audit in report.audits:
        for one in () if audit.hygiene is None else audit.hygiene.shown:
            if one.check not in said:
                by.setdefault(one, []).append(audit.candidate)
    everybody = len(report.audits)
    listed = [Found(one, () if len(names) in (0, everybody) else tuple(names)) for one, names in by.items()]
    return tuple(sorted(listed, key=lambda one: one.finding.severity != "warning"))


def warnings(report: Report) -> tuple[str, ...]:
    """The warnings as sentences, the candidates they concern before each where that is not all of them."""
    return tuple(
        f"{', '.join(one.candidates)}: {one.finding.sentence}" if one.candidates else one.finding.sentence
        for one in found(report)
        if one.finding.severity == "warning"
    )
