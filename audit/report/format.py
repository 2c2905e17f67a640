"""Numbers as the page prints them. None prints as a dash; minus is a real minus sign."""

from collections.abc import Sequence
from math import atanh, isfinite, log10

NONE = "\u2013"
MINUS = "\u2212"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimals(value: float | None, places: int = 3) -> str:
    """0.1234 as 0.123."""
    return NONE if value is None else f"{value:.{places}f}".replace("-", MINUS)


def signed(value: float | None, places: int = 3) -> str:
    """0.1234 as +0.123; what rounds to zero has no sign."""
    if value is None:
        return NONE
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def interval(ends: Sequence[float] | None, places: int = 3) -> str:
    """Two ends of a gap as "+0.010 to +0.020"."""
    return NONE if ends is None else f"{signed(ends[0], places)} to {signed(ends[1], places)}"


def span(ends: Sequence[float] | None, places: int = 3) -> str:
    """Two ends of a rate as "0.010 to 0.020"."""
    return NONE if ends is None else f"{decimals(ends[0], places)} to {decimals(ends[1], places)}"


def fraction(value: float) -> str:
    """A rate or margin without trailing zeros: 0.01, 0.001."""
    return f"{value:.6f}".rstrip("0").rstrip(".").replace("-", MINUS) if abs(value) >= 1e-6 else f"{value:g}"


def percent(value: float) -> str:
    """0.05 as 5 %."""
    return f"{100 * value:g}\u202f%"


def probability(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: int | None) -> str:
    """12345 as 12 345, with thin spaces that do not break."""
    return NONE if value is None else f"{value:,}".replace(",", "\u202f").replace("-", MINUS)


def magnitude(value: float | None) -> str:
    """1.234e12 as 1.23 × 10¹²."""
    if value is None or not isfinite(value):
        return NONE
    if abs(value) < 1e5:
        return count(round(value))
    power = int(log10(abs(value)))
    return f"{value / 10**power:.2f} × 10{str(power).translate(_RAISED)}"


def power_of_ten(value: float) -> str:
    """A tick of a logarithmic axis: 1, 0.1, 0.01, then 10⁻³."""
    return f"{value:g}" if value >= 0.01 else "10" + str(round(log10(value))).translate(_RAISED)


def number(value: float) -> str:
    """A coordinate in SVG: at most two decimals, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def seconds(value: float | None) -> str:
    """Wall time in seconds or minutes."""
    if value is None:
        return NONE
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def share(value: float | None) -> str:
    """A cost as a multiple of one retrain: 0.08 ×."""
    return NONE if value is None else f"{value:.2f} ×" if value >= 0.01 or value == 0 else "< 0.01 ×"


def advantage(margin: float) -> str:
    """Largest attack advantage (TPR minus FPR) that goes with an AUC margin: twice the margin."""
    return fraction(2 * margin)


def epsilon(margin: float) -> str:
    """The epsilon whose pure differential privacy allows an AUC of one half plus ``margin`` (tanh relation)."""
    return decimals(2 * atanh(2 * margin), 2) if 0 <= margin < 0.5 else NONE


def sentence(text: str) -> str:
    """The text with a capital and its full stop."""
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else text + "."
