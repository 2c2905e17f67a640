"""The one shape of every check in this folder: a stated value, and what follows in its place from other values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import isclose
from typing import Any, NamedTuple

from vestige.audit.files.text import one_line
from vestige.audit.gate.text import shown
from vestige.audit.policy import Policy
from vestige.audit.results.report import Audit, Report

TOLERANCE = 1e-9
"""Between two builds of the numerical libraries; no margin or p-value is decided by less."""


@dataclass(frozen=True)
class Stated:
    """One candidate of a report. texts: the report is of this version, whose sentences can be compared as well."""

    report: Report
    audit: Audit
    policy: Policy
    texts: bool


class Rule(NamedTuple):
    """A condition on a stated value, where other values do not determine it. words: what it demands."""

    holds: bool
    words: str


@dataclass(frozen=True)
class Claim:
    """A stated value. path: where it stands (``A1, gap``). expected: the recomputed value, or a rule.

    Claims are checked one by one, and the first that does not hold refuses the report: what a function computes after
    it has yielded a claim may rely on it.
    """

    path: str
    stated: object
    expected: object

    @property
    def holds(self) -> bool:
        """Whether the report may state this."""
        return self.expected.holds if isinstance(self.expected, Rule) else agree(self.stated, self.expected)

    @property
    def refusal(self) -> str:
        """What a refusal says where it does not hold."""
        wanted = self.expected.words if isinstance(self.expected, Rule) else shown(self.expected)
        return (
            f"{one_line(self.path)}: expected {one_line(wanted, 160)}, recomputed from what the report states, got "
            f"{one_line(shown(self.stated), 160)}"
        )


Claims = Iterator[Claim]


def agree(stated: Any, recomputed: Any) -> bool:
    """Whether two values are the same, numbers up to rounding.

    >>> agree((0.1, None), (0.1 + 1e-12, None)), agree(0.1, None), agree(1, True)
    (True, False, False)
    """
    if isinstance(stated, tuple) and isinstance(recomputed, tuple):
        return len(stated) == len(recomputed) and all(map(agree, stated, recomputed))
    if isinstance(stated, bool) or isinstance(recomputed, bool):
        return stated is recomputed
    if isinstance(stated, float) or isinstance(recomputed, float):
        try:
            return isclose(stated, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        except (TypeError, OverflowError):  # a number beside something else, or beside an integer that no float holds
            return False
    return bool(stated == recomputed)


def fields_follow(part: str, stated: object, /, **recomputed: object) -> Claims:
    """A claim for each of these fields of a dataclass."""
    for name, value in recomputed.items():
        yield Claim(f"{part}, {name}", getattr(stated, name), value)


def all_follow(path: str, stated: Any, recomputed: Any, *, leave: Sequence[str] = ()) -> Claims:
    """A claim for every field of a dataclass, and of those in it, but for fields that are named in ``leave``. In the
    place of a tuple of dataclasses the path names the first field of each, as endpoints have it: ``A1, gap``."""
    start = f"{path}, " if path else ""
    for name in (field.name for field in fields(recomputed) if field.name not in leave):
        before, after = getattr(stated, name), getattr(recomputed, name)
        if type(before) is not type(after):
            yield Claim(f"{start}{name}", before, after)
        elif is_dataclass(after):
            yield from all_follow(f"{start}{name}", before, after, leave=leave)
        elif isinstance(after, tuple) and len(before) == len(after) and all(map(is_dataclass, after)):
            for element, own in zip(before, after, strict=True):
                yield from all_follow(f"{start}{getattr(own, fields(own)[0].name)}", element, own, leave=leave)
        else:
            yield Claim(f"{start}{name}", before, after)


def within(low: float, high: float, *values: float) -> Rule:
    """All values lie from low to high."""
    return Rule(all(low <= value <= high for value in values), f"{low} to {high}")
