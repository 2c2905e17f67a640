"""Figures for papers and pages outside the report: PDF and PNG, from a report alone."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.audit.report.plots import GapRow, gap_axis, gap_row, roc_plots
from vestige.audit.results.report import Audit, Report
from vestige.learners.files.io import write_atomically

BLUE, ORANGE, GREY = "#1f4e8c", "#b45309", "#8a94a3"  # distinct in every common colour vision, and by marker
MARKS = {"PASS": "pass", "FAIL": "FAIL", "INCONCLUSIVE": "inconclusive"}
LINES = {"candidate": (BLUE, "-", 1.6), "original": (ORANGE, "--", 1.3), "retrain": (GREY, "-", 0.5)}


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Write ``gaps`` (every candidate's gap on what PASS requires, with margins) and ``roc`` (log-log, one panel a
    candidate) as PDF and PNG; returns the paths."""
    written = []
    for name, figure in (("gaps", gap_figure(report)), ("roc", roc_figure(report))):
        for suffix in ("pdf", "png"):
            buffer = BytesIO()
            metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}
            figure.savefig(buffer, format=suffix, dpi=160, bbox_inches="tight", metadata=metadata)
            path = folder / f"{name}.{suffix}"
            write_atomically(path, buffer.getvalue())
            written.append(path)
    return written


def gap_figure(report: Report) -> Figure:
    """Gaps of the endpoints that PASS requires: one panel an endpoint, one row a candidate, interval against margin."""
    columns: dict[str, list[GapRow]] = {}
    for endpoint in (endpoint for audit in report.audits for endpoint in audit.endpoints if endpoint.primary):
        columns.setdefault(endpoint.label, []).append(gap_row(endpoint))
    columns = {
        label: rows
        for label, rows in columns.items()
        if len(rows) == len(report.audits) and not any(row.endpoint.gap is None for row in rows)
    }
    height = 0.42 * len(report.audits) + 0.7
    figure, panels = _panels(len(columns), (2.6, height), (1.6, 0.5))
    for panel, rows in zip(panels, columns.values(), strict=True):
        _gap_panel(panel, rows)
    for first in panels[:1]:
        first.set_yticks(range(len(report.audits)), [_label(audit, "  ") for audit in report.audits])
        first.invert_yaxis()
    figure.supxlabel("gap to the reference; band: margin; dots: retrains; triangle: original", fontsize=9)
    return figure


def roc_figure(report: Report) -> Figure:
    """Log-log ROC of the residual: candidate, original, retrains."""
    figure, panels = _panels(len(report.audits), (2.5, 2.6), (0.0, 0.0), sharex=True)
    for panel, audit in zip(panels, report.audits, strict=True):
        _roc_panel(panel, audit)
    figure.supxlabel("false-positive rate, unseen", fontsize=9)
    figure.supylabel("true-positive rate, forget", fontsize=9)
    return figure


def _panels(
    count: int, size: tuple[float, float], room: tuple[float, float], *, sharex: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """``count`` panels of one size in inches, four in a row at most; room: for labels."""
    columns = min(4, max(count, 1))
    rows = max(-(-count // columns), 1)
    figure = Figure(figsize=(size[0] * columns + room[0], size[1] * rows + room[1]), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=sharex, sharey=True)).ravel()
    for panel in panels[count:]:
        panel.set_visible(False)
    return figure, list(panels[:count])


def _gap_panel(panel: Axes, rows: Sequence[GapRow]) -> None:
    axis = gap_axis(rows)
    panel.axvline(0, color=GREY, linewidth=0.8)
    for place, row in enumerate(rows):
        endpoint, (left, right) = row.endpoint, row.band
        left = axis.low if left is None else left
        panel.barh(place, right - left, 1.0, left, color=BLUE, alpha=0.10, linewidth=0)
        panel.plot(row.retrains, [place + 0.22] * len(row.retrains), "o", color=GREY, markersize=2.5, alpha=0.8)
        if (gap := endpoint.original_gap) is not None:
            mark = "^" if axis.low <= gap <= axis.high else ">" if gap > 0 else "<"
            panel.plot([min(max(gap, axis.low), axis.high)], [place + 0.22], mark, color=ORANGE, markersize=4)
        if endpoint.interval is not None:
            panel.plot(endpoint.interval, [place, place], color=BLUE, linewidth=2)
        panel.plot([endpoint.gap or 0.0], [place], "D", color=BLUE, markersize=4)
    panel.set_xlim(axis.low, axis.high)
    panel.set_title(f"{rows[0].endpoint.name}: {rows[0].title}", fontsize=8)
    panel.tick_params(labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _roc_panel(panel: Axes, audit: Audit) -> None:
    plots = roc_plots(audit.curves, audit.reference.forget, audit.reference.unseen_evaluation)
    for plot in plots[-1:]:  # of the residual
        for kind, curve in plot.curves:
            colour, line, width = LINES[kind]
            rates = (np.maximum(curve.fpr, plot.fpr.low), np.maximum(curve.tpr, plot.tpr.low))
            panel.plot(*rates, line, color=colour, linewidth=width)
        corner = max(plot.fpr.low, plot.tpr.low)
        panel.plot([corner, 1], [corner, 1], ":", color=GREY, linewidth=0.8)
        panel.set(xscale="log", yscale="log", xlim=(plot.fpr.low, 1), ylim=(plot.tpr.low, 1))
    panel.set_title(_label(audit, " "), fontsize=8)
    panel.tick_params(labelsize=7)


def _label(audit: Audit, space: str) -> str:
    return f"{audit.candidate}{space}({MARKS[audit.verdict.outcome]})"
