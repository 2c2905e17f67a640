"""What an interval of an audit allows: which margin it can certify, and which gap it finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vestige.audit.results.endpoint import Role
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


@dataclass(frozen=True)
class Projection:
    """One endpoint with other numbers of retrains and unseen examples, which are taken to be like those there are."""

    retrains: int
    unseen: int
    widths: Widths


@dataclass(frozen=True)
class EndpointOutlook:
    """What is known of one endpoint beforehand. example_error: that a candidate's gap would have; unseen_share: of its
    square, what more unseen examples shrink. spread: standard deviation over the retrains. original_caught: whether the
    FAIL test rejects on it. widths: None where ``reason`` says why nothing is known."""

    name: str
    statistic: str
    role: Role
    margin: float
    margin_effective: float
    example_error: float | None
    spread: float | None = None
    unseen_share: float | None = None
    original_gap: float | None = None
    original_caught: bool | None = None
    widths: Widths | None = None
    projections: tuple[Projection, ...] = ()
    reason: str = ""


def primary(endpoints: Iterable[EndpointOutlook]) -> dict[str, Widths]:
    """By name, the widths of what PASS requires."""
    return {each.name: each.widths for each in endpoints if each.role == "primary" and each.widths is not None}


def worst(outlooks: Iterable[Outlook]) -> Outlook:
    """The worst of them."""
    return min(outlooks, key=WORST.index, default="not known")
