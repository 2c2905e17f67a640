"""ROC curves on logarithmic axes: candidate, retrains, original."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from vestige.audit.report.svg import LogScale, element, join, number
from vestige.audit.results.figures import Curve
from vestige.audit.results.wording import SCORES

_WIDTH, _HEIGHT = 360.0, 322.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 350.0, 8.0, 282.0
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class RocFigure:
    """The curves of one score."""

    score: str
    drawing: Markup


def roc_figures(curves: Sequence[Curve], forget: int, unseen: int, fprs: Sequence[float]) -> list[RocFigure]:
    """One figure per score. forget and unseen are the numbers of examples; fprs get a guide line each."""
    scores = list(dict.fromkeys(curve.score for curve in curves))
    return [
        RocFigure(SCORES.get(score, score), _figure([c for c in curves if c.score == score], forget, unseen, fprs))
        for score in scores
    ]


def _figure(curves: Sequence[Curve], forget: int, unseen: int, fprs: Sequence[float]) -> Markup:
    across = LogScale(_floor(unseen), 1.0, _LEFT, _RIGHT)
    up = LogScale(_floor(forget), 1.0, _BOTTOM, _TOP)
    corner = max(across.low, up.low)
    parts = [*_grid(across, up)]
    parts.append(
        element("line", class_="chance", x1=across(corner), y1=up(corner), x2=across(1.0), y2=up(1.0)),
    )
    parts += [_guide(fpr, across) for fpr in fprs if fpr > across.low]
    parts += [_line(curve, across, up) for curve in sorted(curves, key=_layer)]
    parts.append(element("rect", class_="frame", x=_LEFT, y=_TOP, width=_RIGHT - _LEFT, height=_BOTTOM - _TOP))
    score = SCORES.get(curves[0].score, curves[0].score)
    label = f"ROC of {score} on logarithmic axes for {', '.join(curve.model for curve in curves)}"
    view = f"0 0 {number(_WIDTH)} {number(_HEIGHT)}"
    return element("svg", element("title", label), join(parts), class_="roc", role="img", viewBox=view)


def _floor(examples: int) -> float:
    """The power of ten at or below the smallest rate that so many examples can show; at most 0.1."""
    return float(10.0 ** min(floor(log10(1 / max(examples, 1)) + 1e-9), -1))


def _layer(curve: Curve) -> int:
    return {"original": 1, "candidate": 2}.get(curve.model, 0)


def _line(curve: Curve, across: LogScale, up: LogScale) -> Markup:
    points: list[str] = []
    for fpr, tpr in zip(curve.fpr, curve.tpr, strict=True):
        point = f"{across(fpr):.1f} {up(tpr):.1f}"
        if not points or points[-1] != point:
            points.append(point)
    kind = curve.model if curve.model in ("candidate", "original") else "retrain"
    title = element("title", curve.model)
    return element("path", title, class_=f"curve {kind}", d="M" + "L".join(points))


def _guide(fpr: float, across: LogScale) -> Markup:
    return element("line", class_="guide", x1=across(fpr), x2=across(fpr), y1=_TOP, y2=_BOTTOM)


def _decades(scale: LogScale) -> list[int]:
    return list(range(round(log10(scale.low)), 1))


def _power(exponent: int) -> str:
    return {0: "1", -1: "0.1", -2: "0.01"}.get(exponent, "10" + str(exponent).translate(_SUPERSCRIPT))


def _grid(across: LogScale, up: LogScale) -> list[Markup]:
    parts = []
    for exponent in _decades(across):
        x = across(10.0**exponent)
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=_TOP, y2=_BOTTOM))
        parts.append(element("text", _power(exponent), x=x, y=_BOTTOM + 15, text_anchor="middle"))
    for exponent in _decades(up):
        y = up(10.0**exponent)
        parts.append(element("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y))
        parts.append(element("text", _power(exponent), x=_LEFT - 6, y=y + 4, text_anchor="end"))
    middle = (_TOP + _BOTTOM) / 2
    parts.append(
        element("text", "FPR, unseen", class_="name", x=(_LEFT + _RIGHT) / 2, y=_HEIGHT - 6, text_anchor="middle")
    )
    parts.append(
        element(
            "text",
            "TPR, forget",
            class_="name",
            x=0.0,
            y=0.0,
            text_anchor="middle",
            transform=f"translate(12 {number(middle)}) rotate(-90)",
        )
    )
    return parts
