"""Score histograms: forget against unseen examples, on candidate, original and pooled retrains."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vestige.audit.report.format import MINUS, fraction
from vestige.audit.report.svg import Scale, element, join, number, ticks
from vestige.audit.results.figures import Histogram
from vestige.audit.results.wording import SCORES

_WIDTH, _HEIGHT = 300.0, 138.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 6.0, 294.0, 8.0, 114.0
_ORDER = ("candidate", "retrains", "original")


@dataclass(frozen=True)
class HistogramPanel:
    """One model's histogram of one score."""

    model: str
    drawing: Markup


@dataclass(frozen=True)
class HistogramRow:
    """One score on every model, in common bins and on a common scale."""

    score: str
    panels: tuple[HistogramPanel, ...]


def histogram_rows(histograms: Sequence[Histogram]) -> list[HistogramRow]:
    """One row per score; candidate first, then the retrains, then the original."""
    rows = []
    for score in dict.fromkeys(one.score for one in histograms):
        members = sorted((one for one in histograms if one.score == score), key=_place)
        top = max((max(*_shares(one.forget), *_shares(one.unseen)) for one in members), default=0.0) or 1.0
        panels = tuple(HistogramPanel(one.model, _panel(one, top)) for one in members)
        rows.append(HistogramRow(SCORES.get(score, score), panels))
    return rows


def _place(histogram: Histogram) -> int:
    return _ORDER.index(histogram.model) if histogram.model in _ORDER else len(_ORDER)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [one / total if total else 0.0 for one in counts] + [0.0]


def _outline(edges: Sequence[float], shares: Sequence[float], across: Scale, up: Scale) -> str:
    steps = [f"M{across(edges[0]):.1f} {up(0):.1f}"]
    for left, right, share in zip(edges[:-1], edges[1:], shares, strict=False):
        steps.append(f"L{across(left):.1f} {up(share):.1f}L{across(right):.1f} {up(share):.1f}")
    steps.append(f"L{across(edges[-1]):.1f} {up(0):.1f}")
    return "".join(steps)


def _panel(histogram: Histogram, top: float) -> Markup:
    edges = histogram.edges
    across = Scale(edges[0], edges[-1], _LEFT, _RIGHT)
    up = Scale(0.0, top, _BOTTOM, _TOP)
    score = SCORES.get(histogram.score, histogram.score)
    label = f"Histogram of {score} on the {histogram.model}: forget against unseen"
    forget = _outline(edges, _shares(histogram.forget), across, up)
    unseen = _outline(edges, _shares(histogram.unseen), across, up)
    parts = [
        element("path", element("title", "forget"), class_="forget", d=forget),
        element("path", element("title", "unseen"), class_="unseen", d=unseen),
        element("line", class_="axis", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM),
    ]
    for value in ticks(edges[0], edges[-1], 5):
        text = fraction(abs(value))
        text = MINUS + text if value < 0 else text
        parts.append(element("line", class_="axis", x1=across(value), x2=across(value), y1=_BOTTOM, y2=_BOTTOM + 4))
        parts.append(element("text", text, x=across(value), y=_BOTTOM + 17, text_anchor="middle"))
    view = f"0 0 {number(_WIDTH)} {number(_HEIGHT)}"
    return element("svg", element("title", label), join(parts), class_="histogram", role="img", viewBox=view)
