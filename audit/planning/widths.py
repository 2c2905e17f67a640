"""What an interval of an audit allows: which margin it can certify, and which gap it finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vestige.audit.statistics.intervals import GapError, Sides

Outlook = Literal["impossible", "not known", "possible", "likely"]
WORST: tuple[Outlook, ...] = ("impossible", "not known", "possible", "likely")


@dataclass(frozen=True)
class Widths:
    """One endpoint; every number is a gap to the retrains, a fraction.

    half_width: of the PASS interval. plan_width: margin that a perfect candidate certifies with 80 % probability.
    fail_gap: true gap that leads to FAIL with 80 % probability, Holm's first step over the family. outlook: of PASS,
    impossible where half_width exceeds the margin, likely where plan_width does not."""

    half_width: float
    plan_width: float
    fail_gap: float
    outlook: Outlook

    @classmethod
    def of(cls, error: GapError, margins: tuple[float, float], alpha: float, share: float, sides: Sides) -> "Widths":
        """margins: of PASS and of FAIL. share: of the error rate ``alpha`` that Holm's first step gives it."""
        half, plan = error.half_width(alpha), error.plan_width(alpha)
        within, beyond = margins
        level = alpha * share / (1 if sides == "upper" else 2)
        outlook: Outlook = "impossible" if half > within else "likely" if plan <= within else "possible"
        return cls(half, plan, beyond + error.fail_slack(level), outlook)


def worst(outlooks: Iterable[Outlook]) -> Outlook:
    """The worst of them."""
    return min(outlooks, key=WORST.index, default="not known")
