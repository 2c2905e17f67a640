"""What the templates need beside the report itself: columns, groups and drawings, all computed from the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from vestige.audit.report.curves import RocFigure, roc_figures
from vestige.audit.report.histograms import HistogramRow, histogram_rows
from vestige.audit.report.intervals import IntervalPanel, common_scale, interval_panels, sparkline
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Outcome, Utility
from vestige.audit.results.report import Audit, Report

CONTROLS = ("no_op", "fresh_retrain")
OF_METHOD = ("A4", "T4")
NEED_SHADOWS = ("A4", "T4", "F4", "F5")


@dataclass(frozen=True)
class Cell:
    """One endpoint of one candidate in the overview; endpoint None when the candidate has none of that name."""

    endpoint: Endpoint | None
    drawing: Markup


@dataclass(frozen=True)
class OverviewRow:
    """One candidate in the overview."""

    audit: Audit
    anchor: str
    control: bool
    cells: tuple[Cell, ...]
    fail_only: tuple[Endpoint, ...]
    utility: tuple[Utility | None, ...]


@dataclass(frozen=True)
class Overview:
    """The table of several candidates. The reference has its own rows (`shown`), outside any order of candidates; the
    endpoints that can only cause FAIL share one column (`fail_only`)."""

    columns: tuple[str, ...]
    shown: tuple[Endpoint | None, ...]
    fail_only: tuple[Endpoint, ...]
    roles: tuple[str, ...]
    rows: tuple[OverviewRow, ...]


@dataclass(frozen=True)
class Section:
    """One candidate with its drawings."""

    audit: Audit
    anchor: str
    control: bool
    reasons: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    panels: tuple[IntervalPanel, ...]
    rocs: tuple[RocFigure, ...]
    histograms: tuple[HistogramRow, ...]


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
    names = [endpoint.name for endpoint in report.audits[0].endpoints if _shown(report, endpoint.name)]
    primary = {endpoint.name for endpoint in report.audits[0].endpoints if endpoint.primary}
    columns = tuple(name for name in names if name in primary)
    others = tuple(name for name in names if name not in primary)
    roles = tuple(dict.fromkeys(one.role for audit in report.audits for one in audit.utility))
    scales = {name: common_scale(_column(report, name)) for name in columns}

    def cell(audit: Audit, name: str) -> Cell:
        endpoint = _named(audit.endpoints, name)
        return Cell(endpoint, sparkline(endpoint, scales[name]) if endpoint else Markup(""))

    rows = tuple(
        OverviewRow(
            audit=audit,
            anchor=_anchor(index),
            control=_control(audit),
            cells=tuple(cell(audit, name) for name in columns),
            fail_only=tuple(one for name in others if (one := _named(audit.endpoints, name))),
            utility=tuple(next((one for one in audit.utility if one.role == role), None) for role in roles),
        )
        for index, audit in enumerate(report.audits, start=1)
    )
    shown = tuple(_reference(report, name) for name in columns)
    fail_only = tuple(one for name in others for one in _column(report, name, estimable=True)[:1])
    return Overview(columns, shown, fail_only, roles, rows)


def sections(report: Report) -> list[Section]:
    """Every candidate with its drawings, in the order of the report."""
    return [_section(report, audit, _anchor(index)) for index, audit in enumerate(report.audits, start=1)]


def references(report: Report) -> list[ReferenceGroup]:
    """Candidates grouped by reference: one group unless a retrain was dropped for some of them."""
    groups: dict[tuple[object, ...], list[Audit]] = {}
    for audit in report.audits:
        key = (audit.reference, audit.controls, audit.baseline.exchangeable, *(_power(one) for one in audit.endpoints))
        groups.setdefault(key, []).append(audit)
    return [ReferenceGroup(tuple(audit.candidate for audit in group), group[0]) for group in groups.values()]


def tried(audit: Audit) -> list[Endpoint]:
    """The endpoints worth a line: where there is no shadow bank, those that need one stand in one sentence."""
    return [one for one in audit.endpoints if audit.shadows is not None or one.name not in NEED_SHADOWS]


def mean(values: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return fmean(values) if values else None


def split_code(note: str) -> tuple[str, str]:
    """("CODE", "sentence") of "CODE: sentence"; an empty code when there is none."""
    code, colon, sentence = note.partition(": ")
    known = colon and code.replace("_", "").isalnum() and code.upper() == code
    return (code, sentence) if known else ("", note)


def _section(report: Report, audit: Audit, anchor: str) -> Section:
    reference, verdict = audit.reference, audit.verdict
    texts = list(verdict.explanations) + [""] * (len(verdict.reasons) - len(verdict.explanations))
    return Section(
        audit=audit,
        anchor=anchor,
        control=_control(audit),
        reasons=tuple((reason, split_code(text)[1]) for reason, text in zip(verdict.reasons, texts, strict=False)),
        notes=tuple(split_code(note) for note in verdict.notes),
        panels=tuple(interval_panels(tried(audit))),
        rocs=tuple(roc_figures(audit.curves, reference.forget, reference.unseen_evaluation, (report.policy.fpr,))),
        histograms=tuple(histogram_rows(audit.histograms)),
    )


def _anchor(index: int) -> str:
    return f"candidate-{index}"


def _control(audit: Audit) -> bool:
    return audit.method is not None and audit.method.name in CONTROLS


def _named(endpoints: Sequence[Endpoint], name: str) -> Endpoint | None:
    return next((endpoint for endpoint in endpoints if endpoint.name == name), None)


def _column(report: Report, name: str, estimable: bool = False) -> list[Endpoint]:
    found = [endpoint for audit in report.audits if (endpoint := _named(audit.endpoints, name))]
    return [endpoint for endpoint in found if endpoint.retrains or not estimable]


def _shown(report: Report, name: str) -> bool:
    """Whether the overview has a place for an endpoint: not for one that needs shadows where no candidate has any."""
    return name not in NEED_SHADOWS or bool(_column(report, name, estimable=True))


def _reference(report: Report, name: str) -> Endpoint | None:
    """The endpoint whose values stand for the reference; none where each method has its own."""
    found = _column(report, name, estimable=True)
    if name in OF_METHOD and len({one.retrains for one in found}) > 1:
        return None
    return next(iter(found), None)


def _power(endpoint: Endpoint) -> tuple[object, ...]:
    return endpoint.name, endpoint.spread, endpoint.half_width, endpoint.plan_width, endpoint.margin_effective
