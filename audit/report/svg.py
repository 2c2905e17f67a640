"""Small pieces for hand-made SVG: escaped elements, scales, ticks.

Drawings are written by hand because the page's style sheet then colours them (light, dark, print), their text stays
text in the page's font, they need no ids, and the same numbers give the same bytes.
"""

from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

Attribute = str | float


def number(value: float) -> str:
    """At most two decimals, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def percent(value: float) -> str:
    """A position along a drawing that stretches with its container."""
    return number(value) + "%"


def element(name: str, *children: str | Markup, **attributes: Attribute) -> Markup:
    """One element; ``class_`` stands for class, ``stroke_width`` for stroke-width. Text and attributes are escaped."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        written = key.rstrip("_").replace("_", "-") if key != "viewBox" else key
        parts.append(f' {written}="{escape(value if isinstance(value, str) else number(value))}"')
    if not children:
        return Markup("".join(parts) + "/>")
    return Markup("".join(parts) + ">" + "".join(str(escape(child)) for child in children) + f"</{name}>")


def join(parts: list[Markup]) -> Markup:
    """The elements one after another."""
    return Markup("").join(parts)


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to positions in [start, stop]; what lies outside is put on the edge."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


@dataclass(frozen=True)
class LogScale:
    """The same on a logarithmic axis; values at or below ``low`` are put on the edge."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        inner = Scale(log10(self.low), log10(self.high), self.start, self.stop)
        return inner(log10(max(value, self.low)))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers inside [low, high], about as many as wanted."""
    raw = (high - low) / max(wanted, 1)
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return [round(index * step, 12) for index in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
