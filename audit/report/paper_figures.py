"""Figures for papers and pages outside the report: PDF and PNG, from a report alone."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.exchangeable import ExampleEndpoint
from vestige.audit.results.report import Audit, Report
from vestige.audit.results.wording import EXAMPLE_ENDPOINTS
from vestige.learners.files.io import write_atomically

BLUE, ORANGE, GREY = "#1f4e8c", "#b45309", "#8a94a3"  # told apart by every common colour vision, and by marker
MARKS = {"PASS": "pass", "FAIL": "FAIL", "INCONCLUSIVE": "inconclusive"}


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Write ``gaps`` (every candidate's gap on every endpoint, with margins) and ``roc`` (log-log, one panel a
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
    """Gaps that the verdict is decided on: one panel an endpoint, one row a candidate, interval against margin."""
    names = [
        endpoint.name
        for endpoint in _endpoints(report.audits[0])
        if all(_endpoint(audit, endpoint.name).gap is not None for audit in report.audits)
    ]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    size = (2.6 * columns + 1.6, rows * (0.42 * len(report.audits) + 0.7) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    for panel, name in zip(panels, names, strict=False):
        _gap_panel(panel, [_endpoint(audit, name) for audit in report.audits])
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    labels = [f"{audit.candidate}  ({MARKS[audit.verdict.outcome]})" for audit in report.audits]
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].invert_yaxis()
    over_examples = report.audits[0].exchangeable is not None
    against = "gap over exchangeable examples" if over_examples else "gap to the mean of the retrains"
    dots = "" if over_examples else "dots: retrains; "
    figure.supxlabel(f"{against}; band: margin; {dots}triangle: original", fontsize=9)
    return figure


def _gap_panel(panel: Axes, endpoints: Sequence[Endpoint | ExampleEndpoint]) -> None:
    first = endpoints[0]
    gaps = [endpoint.gap or 0.0 for endpoint in endpoints]
    low = -first.margin if first.sides == "two" else min(0.0, *gaps)  # a fall counts for nothing on an upper side
    panel.axvspan(low, first.margin, color=BLUE, alpha=0.10, linewidth=0)
    panel.axvline(0, color=GREY, linewidth=0.8)
    for row, endpoint in enumerate(endpoints):
        retrains = endpoint.retrains if isinstance(endpoint, Endpoint) else ()
        dots = [value - sum(retrains) / len(retrains) for value in retrains]
        panel.plot(dots, [row + 0.22] * len(dots), "o", color=GREY, markersize=2.5, alpha=0.8)
        if endpoint.original_gap is not None:
            panel.plot([endpoint.original_gap], [row + 0.22], "^", color=ORANGE, markersize=4)
        if endpoint.interval is not None:
            panel.plot(endpoint.interval, [row, row], color=BLUE, linewidth=2)
        panel.plot([endpoint.gap or 0.0], [row], "D", color=BLUE, markersize=4)
    title = first.statistic.replace(", forget against unseen", "")
    panel.set_title(
        f"{first.name}: {EXAMPLE_ENDPOINTS[first.name]}" if first.name in EXAMPLE_ENDPOINTS else title, fontsize=8
    )
    panel.tick_params(labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def roc_figure(report: Report) -> Figure:
    """Log-log ROC of z (of phi where there is no z): candidate, original, retrains."""
    columns = min(4, len(report.audits))
    rows = -(-len(report.audits) // columns)
    figure = Figure(figsize=(2.5 * columns, 2.6 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for panel, audit in zip(panels, report.audits, strict=False):
        _roc_panel(panel, audit)
    for panel in panels[len(report.audits) :]:
        panel.set_visible(False)
    figure.supxlabel("false-positive rate, unseen", fontsize=9)
    figure.supylabel("true-positive rate, forget", fontsize=9)
    return figure


def _roc_panel(panel: Axes, audit: Audit) -> None:
    score = "z" if any(curve.score == "z" for curve in audit.curves) else "phi"
    styles = {"candidate": (BLUE, "-", 1.6), "original": (ORANGE, "--", 1.3)}
    for curve in sorted(audit.curves, key=lambda one: one.model in styles):
        if curve.score == score:
            colour, line, width = styles.get(curve.model, (GREY, "-", 0.5))
            panel.plot(np.maximum(curve.fpr, 1e-4), np.maximum(curve.tpr, 1e-4), line, color=colour, linewidth=width)
    panel.plot([1e-4, 1], [1e-4, 1], ":", color=GREY, linewidth=0.8)
    panel.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1))
    panel.set_title(f"{audit.candidate} ({MARKS[audit.verdict.outcome]})", fontsize=8)
    panel.tick_params(labelsize=7)


def _endpoint(audit: Audit, name: str) -> Endpoint | ExampleEndpoint:
    return next(endpoint for endpoint in _endpoints(audit) if endpoint.name == name)


def _endpoints(audit: Audit) -> tuple[Endpoint | ExampleEndpoint, ...]:
    return audit.endpoints if audit.exchangeable is None else audit.exchangeable.endpoints
