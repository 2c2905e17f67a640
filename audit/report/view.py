"""What the templates need apart from the report itself: columns, groups and plots, all worked out from the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from vestige.audit.endpoints.endpoints import SHADOWED
from vestige.audit.report.plots import Axis, GapRow, gap_axis, gap_row
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Outcome, Utility
from vestige.audit.results.report import Audit, Report

CONTROLS = ("no_op", "fresh_retrain")
OF_METHOD = ("A4", "T4")


@dataclass(frozen=True)
class OverviewRow:
    """One candidate in the overview; None where it has no such endpoint or accuracy."""

    audit: Audit
    cells: tuple[GapRow | None, ...]
    fail_only: tuple[Endpoint, ...]
    utility: tuple[Utility | None, ...]


@dataclass(frozen=True)
class Overview:
    """The table of several candidates. The reference has its own rows (`shown`), outside any order of candidates; the
    endpoints that can only cause FAIL share one column (`fail_only`)."""

    columns: tuple[str, ...]
    axes: tuple[Axis, ...]
    shown: tuple[Endpoint | None, ...]
    fail_only: tuple[Endpoint, ...]
    roles: tuple[str, ...]
    rows: tuple[OverviewRow, ...]


@dataclass(frozen=True)
class ReferenceGroup:
    """Candidates that were judged against the same reference, with the endpoints that show its power."""

    candidates: tuple[str, ...]
    audit: Audit


def outcomes(report: Report) -> list[tuple[Outcome, int]]:
    """Outcomes that occur, with their counts."""
    summary = report.summary
    counts: list[tuple[Outcome, int]] = [
        ("PASS", summary.passed),
        ("FAIL", summary.failed),
        ("INCONCLUSIVE", summary.inconclusive),
    ]
    return [(outcome, count) for outcome, count in counts if count]


def overview(report: Report) -> Overview:
    """The overview of all candidates."""
    whole = [endpoint for audit in report.audits for endpoint in audit.endpoints if endpoint.name != "G"]
    shown = [endpoint for endpoint in whole if endpoint.candidate is not None]
    columns = tuple(dict.fromkeys(endpoint.label for endpoint in shown if endpoint.primary))
    others = tuple(dict.fromkeys(endpoint.label for endpoint in shown if endpoint.label not in columns))
    roles = tuple(dict.fromkeys(utility.role for audit in report.audits for utility in audit.utility))

    def row(audit: Audit) -> OverviewRow:
        endpoints = {endpoint.label: endpoint for endpoint in audit.endpoints}
        utilities = {utility.role: utility for utility in audit.utility}
        return OverviewRow(
            audit=audit,
            cells=tuple(gap_row(endpoints[name]) if name in endpoints else None for name in columns),
            fail_only=tuple(endpoints[name] for name in others if name in endpoints),
            utility=tuple(utilities.get(role) for role in roles),
        )

    return Overview(
        columns=columns,
        axes=tuple(gap_axis(list(map(gap_row, _estimable(report, name))), 1.0, original=False) for name in columns),
        shown=tuple(_reference(report, name) for name in columns),
        fail_only=tuple(endpoint for name in others for endpoint in _estimable(report, name)[:1]),
        roles=roles,
        rows=tuple(map(row, report.audits)),
    )


def references(report: Report) -> list[ReferenceGroup]:
    """Candidates grouped by reference: one group unless a retrain was dropped for some of them."""
    groups: dict[tuple[object, ...], list[Audit]] = {}
    for audit in report.audits:
        power = (
            (part.label, part.spread, part.expected_half_width, part.plan_width, part.margin_effective)
            for part in audit.endpoints
        )
        groups.setdefault((audit.reference, audit.controls, *power), []).append(audit)
    return [ReferenceGroup(tuple(audit.candidate for audit in group), group[0]) for group in groups.values()]


def tried(audit: Audit) -> list[Endpoint]:
    """The endpoints worth a line, groups aside: where there is no shadow bank, those that need one stand in one
    sentence."""
    whole = [endpoint for endpoint in audit.endpoints if endpoint.name != "G"]
    return [endpoint for endpoint in whole if audit.shadows is not None or endpoint.name not in SHADOWED]


def groups(audit: Audit) -> list[Endpoint]:
    """The groups of forget examples."""
    return [endpoint for endpoint in audit.endpoints if endpoint.name == "G"]


def is_control(audit: Audit) -> bool:
    """Whether the candidate is one of the two controls of a demo or study."""
    return audit.method is not None and audit.method.name in CONTROLS


def mean(values: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return fmean(values) if values else None


def split_code(note: str) -> tuple[str, str]:
    """("CODE", "sentence") of "CODE: sentence"; an empty code when there is none."""
    code, colon, sentence = note.partition(": ")
    known = colon and code.replace("_", "").isalnum() and code.upper() == code
    return (code, sentence) if known else ("", note)


def _estimable(report: Report, label: str) -> list[Endpoint]:
    endpoints = [endpoint for audit in report.audits for endpoint in audit.endpoints if endpoint.label == label]
    return [endpoint for endpoint in endpoints if endpoint.candidate is not None]


def _reference(report: Report, name: str) -> Endpoint | None:
    """The endpoint whose values stand for the reference; none where each method has its own."""
    column = _estimable(report, name)
    if name in OF_METHOD and len({endpoint.retrains for endpoint in column}) > 1:
        return None
    return next(iter(column), None)
