"""What the plots of a report show, worked out once: ``report.html`` draws it as SVG, ``paper_figures`` as PDF and PNG.

Gaps are distances to the reference: the mean of the retrains, or the value of chance. Axes give positions on the page,
percentages along the gap axis; other renderers use their ends alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.figures import Curve, Histogram
from vestige.audit.results.wording import SCORES
from vestige.audit.verdict.wording import short

LAYERS = {"original": 1, "candidate": 2}
"""Curves that lie above those of the retrains."""
MODELS = ("candidate", "retrains", "original")
"""Order of histograms."""


@dataclass(frozen=True)
class Axis:
    """From values in [low, high] to positions in [start, stop]; what lies outside is put on the edge."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = log10(low), log10(high), log10(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    @property
    def ticks(self) -> list[float]:
        """About five round numbers; of a logarithmic axis the powers of ten."""
        if self.log:
            return [10.0**exponent for exponent in range(round(log10(self.low)), round(log10(self.high)) + 1)]
        raw = (self.high - self.low) / 5
        power = 10.0 ** floor(log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(frozen=True)
class GapRow:
    """One endpoint along the gap axis. band: the margin that PASS needs, None on the side that is open. declared: ends
    of the policy's margin, where it is wider. retrains: their gaps."""

    endpoint: Endpoint
    title: str
    band: tuple[float | None, float]
    declared: tuple[float, ...]
    retrains: tuple[float, ...]


@dataclass(frozen=True)
class GapPlot:
    """Endpoints that share one gap axis."""

    title: str
    rows: tuple[GapRow, ...]
    axis: Axis


@dataclass(frozen=True)
class RocPlot:
    """The curves of one score on logarithmic axes, each with its kind of model, the lowest layer first."""

    score: str
    curves: tuple[tuple[str, Curve], ...]
    fpr: Axis
    tpr: Axis

    def path(self, curve: Curve) -> str:
        """One of the curves as an SVG path."""
        return svg_path(zip(curve.fpr, curve.tpr, strict=True), self.fpr, self.tpr)


@dataclass(frozen=True)
class HistogramPlot:
    """Shares of forget and of unseen examples in each bin of one score on one model."""

    score: str
    histogram: Histogram
    values: Axis
    shares: Axis

    def path(self, counts: Sequence[int]) -> str:
        """The outline of one set of counts as an SVG path."""
        heights = [share for share in _shares(counts) for _ in range(2)]
        edges = [edge for edge in self.histogram.edges for _ in range(2)]
        return svg_path(zip(edges, [0.0, *heights, 0.0], strict=True), self.values, self.shares)


def gap_row(endpoint: Endpoint) -> GapRow:
    """What is drawn of one endpoint."""
    two, effective, declared = endpoint.sides == "two", endpoint.margin_effective, endpoint.margin
    reference = endpoint.reference or 0.0
    ends = (declared, -declared) if two else (declared,)
    return GapRow(
        endpoint,
        short(endpoint),
        (-effective if two else None, effective),
        ends if effective < declared else (),
        tuple(value - reference for value in endpoint.retrains),
    )


def gap_axis(rows: Sequence[GapRow], inset: float = 2.0, *, original: bool = True) -> Axis:
    """The axis that fits candidates, retrains and margins; an original far beyond them is left outside."""
    low, high = 0.0, 0.0
    for row in rows:
        endpoint, ends = row.endpoint, [1.5 * row.endpoint.margin, *row.retrains, *(row.endpoint.interval or ())]
        ends += [endpoint.gap] if endpoint.gap is not None else []
        ends += [-1.5 * endpoint.margin] if endpoint.sides == "two" else [-0.5 * endpoint.margin]
        low, high = min(low, *ends), max(high, *ends)
    low, high = max(low, -1.0), min(high, 1.0)
    reach = 2.5 * (high - low)
    for row in rows if original else ():
        gap = row.endpoint.original_gap
        if gap is not None and -reach <= gap <= reach:
            low, high = min(low, gap), max(high, gap)
    room = 0.04 * (high - low) or 0.01
    return Axis(low - room, high + room, inset, 100.0 - inset)


def gap_plots(endpoints: Sequence[Endpoint]) -> list[GapPlot]:
    """One plot of the endpoints that count in both directions, one of those that count upwards; their gaps differ in
    size."""
    plots = []
    for sides, title in (("two", "Both directions"), ("upper", "Upwards only")):
        rows = tuple(gap_row(endpoint) for endpoint in endpoints if endpoint.sides == sides)
        if any(row.endpoint.gap is not None for row in rows):
            plots.append(GapPlot(title, rows, gap_axis(rows)))
    return plots


def roc_plots(curves: Sequence[Curve], forget: int, unseen: int) -> list[RocPlot]:
    """One plot a score. forget, unseen: numbers of examples, which give the smallest rates."""
    plots = []
    for score in dict.fromkeys(curve.score for curve in curves):
        layers = sorted(
            (curve for curve in curves if curve.score == score), key=lambda curve: LAYERS.get(curve.model, 0)
        )
        kinds = tuple((curve.model if curve.model in LAYERS else "retrain", curve) for curve in layers)
        fpr, tpr = Axis(_decade(unseen), 1.0, 52.0, 350.0, log=True), Axis(_decade(forget), 1.0, 282.0, 8.0, log=True)
        plots.append(RocPlot(SCORES.get(score, score), kinds, fpr, tpr))
    return plots


def histogram_plots(histograms: Sequence[Histogram]) -> list[list[HistogramPlot]]:
    """One row of plots a score, on common axes: candidate, retrains, original."""
    rows = []
    for score in dict.fromkeys(histogram.score for histogram in histograms):
        members = [histogram for histogram in histograms if histogram.score == score]
        members.sort(key=lambda member: MODELS.index(member.model) if member.model in MODELS else len(MODELS))
        counts = [counts for member in members for counts in (member.forget, member.unseen)]
        top = max(share for each in counts for share in (*_shares(each), 0.0))
        shares, name = Axis(0.0, top or 1.0, 114.0, 8.0), SCORES.get(score, score)
        rows.append(
            [
                HistogramPlot(name, member, Axis(member.edges[0], member.edges[-1], 6.0, 294.0), shares)
                for member in members
            ]
        )
    return rows


def svg_path(points: Iterable[tuple[float, float]], across: Axis, up: Axis) -> str:
    """A line through the points in the words of SVG; points that fall together are one."""
    places = [f"{across(x):.1f} {up(y):.1f}" for x, y in points]
    return "M" + "L".join(place for index, place in enumerate(places) if not index or place != places[index - 1])


def _decade(examples: int) -> float:
    """The power of ten at or below the smallest rate that so many examples can show; at most 0.1."""
    return float(10.0 ** min(floor(log10(1 / max(examples, 1)) + 1e-9), -1))


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]
