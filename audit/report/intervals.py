"""Interval plots: every endpoint's gap against its margin, the retrains around zero, the original beside them.

Positions along the gap axis are percentages, so a drawing stretches with the page while its marks and text keep
their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vestige.audit.report.format import decimals, fraction, interval, signed
from vestige.audit.report.svg import Scale, element, join, percent, ticks
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.wording import DECISIONS, ENDPOINTS

_HEIGHT = 50.0
_UPPER, _LOWER = 16.0, 36.0
_DIAMOND, _TRIANGLE, _ARROW = "M0 -6 6 0 0 6 -6 0Z", "M0 -5.5 5.5 4.5 -5.5 4.5Z", "M-7 -4 0 0 -7 4Z"


@dataclass(frozen=True)
class IntervalRow:
    """One endpoint's strip."""

    endpoint: Endpoint
    title: str
    drawing: Markup | None


@dataclass(frozen=True)
class IntervalPanel:
    """Strips that share one gap axis."""

    title: str
    rows: tuple[IntervalRow, ...]
    axis: Markup


def interval_panels(endpoints: Sequence[Endpoint]) -> list[IntervalPanel]:
    """One panel for two-sided endpoints (AUC), one for upper-sided ones (TPR); their gaps differ in size."""
    panels = []
    for sides, title in (("two", "AUC endpoints"), ("upper", "TPR endpoints")):
        members = [endpoint for endpoint in endpoints if endpoint.sides == sides]
        if any(endpoint.gap is not None for endpoint in members):
            scale = _scale(members)
            rows = tuple(IntervalRow(one, _title(one), _strip(one, scale)) for one in members)
            panels.append(IntervalPanel(title, rows, _axis(scale)))
    return panels


def common_scale(endpoints: Sequence[Endpoint]) -> Scale:
    """The gap axis that fits these endpoints' intervals and margins."""
    return _scale(endpoints, inset=1.0, original=False)


def sparkline(endpoint: Endpoint, scale: Scale) -> Markup:
    """Interval against margin as a strip of one line, for the overview table."""
    if endpoint.gap is None:
        return Markup("")
    parts = [*_margin(endpoint, scale, 18.0), _vertical(scale(0), 18.0, "zero"), *_whisker(endpoint, scale, 9.0)]
    return _canvas(parts, 18.0, f"{endpoint.name}: gap {signed(endpoint.gap)}, {interval(endpoint.interval)}", "spark")


def _title(endpoint: Endpoint) -> str:
    return ENDPOINTS.get(endpoint.name, endpoint.statistic)


def _retrain_gaps(endpoint: Endpoint) -> list[float]:
    mean = sum(endpoint.retrains) / len(endpoint.retrains) if endpoint.retrains else 0.0
    return [value - mean for value in endpoint.retrains]


def _scale(endpoints: Sequence[Endpoint], inset: float = 2.0, original: bool = True) -> Scale:
    """Candidate, retrains and margins fit; an original far beyond them is shown by an arrow at the edge."""
    low, high = 0.0, 0.0
    for endpoint in endpoints:
        ends = [1.5 * endpoint.margin, *_retrain_gaps(endpoint), *(endpoint.interval or ())]
        ends += [endpoint.gap] if endpoint.gap is not None else []
        ends += [-1.5 * endpoint.margin] if endpoint.sides == "two" else [-0.5 * endpoint.margin]
        low, high = min(low, *ends), max(high, *ends)
    low, high = max(low, -1.0), min(high, 1.0)
    reach = 2.5 * (high - low)
    for endpoint in endpoints if original else ():
        gap = endpoint.original_gap
        if gap is not None and -reach <= gap <= reach:
            low, high = min(low, gap), max(high, gap)
    room = 0.04 * (high - low) or 0.01
    return Scale(low - room, high + room, inset, 100.0 - inset)


def _canvas(parts: Sequence[Markup], height: float, label: str, class_: str) -> Markup:
    return element(
        "svg",
        element("title", label),
        join(list(parts)),
        class_=class_,
        role="img",
        width="100%",
        height=height,
        aria_label=label,
    )


def _vertical(position: float, height: float, class_: str) -> Markup:
    where = percent(position)
    return element("line", class_=class_, x1=where, x2=where, y1=0.0, y2=height)


def _margin(endpoint: Endpoint, scale: Scale, height: float) -> list[Markup]:
    """The band that PASS must stay in (the effective margin), and the declared margin where it is wider."""
    left = scale(-endpoint.margin_effective) if endpoint.sides == "two" else 0.0
    right = scale(endpoint.margin_effective)
    parts = [
        element("rect", class_="band", x=percent(left), y=0.0, width=percent(right - left), height=height),
        _vertical(right, height, "edge"),
    ]
    if endpoint.sides == "two":
        parts.append(_vertical(left, height, "edge"))
    if endpoint.margin_effective < endpoint.margin:
        declared = [endpoint.margin, -endpoint.margin] if endpoint.sides == "two" else [endpoint.margin]
        parts += [_vertical(scale(margin), height, "declared") for margin in declared]
    return parts


def _mark(position: float, y: float, path: str, class_: str, label: str) -> Markup:
    shape = element("path", element("title", label), class_=class_, d=path)
    return element("svg", shape, x=percent(position), y=y, overflow="visible")


def _whisker(endpoint: Endpoint, scale: Scale, y: float) -> list[Markup]:
    parts = []
    for ends, class_ in ((endpoint.simultaneous, "simultaneous"), (endpoint.interval, "interval")):
        if ends is not None:
            where = percent(scale(ends[0])), percent(scale(ends[1]))
            parts.append(element("line", class_=class_, x1=where[0], x2=where[1], y1=y, y2=y))
    if endpoint.gap is not None:
        label = f"candidate {decimals(endpoint.candidate)}, gap {signed(endpoint.gap)}"
        parts.append(_mark(scale(endpoint.gap), y, _DIAMOND, f"candidate {_slug(endpoint.decision)}", label))
    return parts


def _slug(decision: str) -> str:
    return decision.replace(" ", "-")


def _original(endpoint: Endpoint, scale: Scale) -> list[Markup]:
    gap = endpoint.original_gap
    if gap is None:
        return []
    label = f"original {decimals(endpoint.original)}, gap {signed(gap)}"
    if scale.low <= gap <= scale.high:
        return [_mark(scale(gap), _LOWER, _TRIANGLE, "original", label)]
    beyond = gap > scale.high
    path = _ARROW if beyond else "M7 -4 0 0 7 4Z"
    offset, anchor = (-10.0, "end") if beyond else (10.0, "start")
    text = element("text", f"original {signed(gap)}", x=offset, y=4.0, text_anchor=anchor, class_="beyond")
    edge = 100.0 if beyond else 0.0
    return [
        _mark(edge, _LOWER, path, "original", label),
        element("svg", text, x=percent(edge), y=_LOWER, overflow="visible"),
    ]


def _strip(endpoint: Endpoint, scale: Scale) -> Markup | None:
    if endpoint.gap is None:
        return None
    parts = [*_margin(endpoint, scale, _HEIGHT), _vertical(scale(0), _HEIGHT, "zero")]
    for index, (gap, value) in enumerate(zip(_retrain_gaps(endpoint), endpoint.retrains, strict=True), start=1):
        dot = element("title", f"retrain {index}: {decimals(value)}, {signed(gap)} from the mean of the retrains")
        parts.append(element("circle", dot, class_="retrain", cx=percent(scale(gap)), cy=_LOWER, r=3.6))
    parts += _original(endpoint, scale)
    parts += _whisker(endpoint, scale, _UPPER)
    margin = f"margin {'±' if endpoint.sides == 'two' else '+'}{fraction(endpoint.margin_effective)}"
    label = (
        f"{endpoint.name}, {_title(endpoint)}: gap {signed(endpoint.gap)}, interval {interval(endpoint.interval)}, "
        f"{margin}, {DECISIONS[endpoint.decision]}"
    )
    return _canvas(parts, _HEIGHT, label, "strip")


def _axis(scale: Scale) -> Markup:
    parts = [element("line", class_="axis", x1="0%", x2="100%", y1=0.5, y2=0.5)]
    for value in ticks(scale.low, scale.high, 5):
        where = percent(scale(value))
        parts.append(element("line", class_="axis", x1=where, x2=where, y1=0.0, y2=5.0))
        parts.append(element("text", _tick(value), x=where, y=18.0, text_anchor="middle"))
    return element("svg", join(parts), class_="axis", width="100%", height=22.0, aria_hidden="true")


def _tick(value: float) -> str:
    if value == 0:
        return "0"
    return ("+" if value > 0 else "") + fraction(value)
