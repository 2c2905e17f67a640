"""What a report states, beside what follows from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import isclose
from typing import Any

TOLERANCE = 1e-9
"""Between two builds of the numerical libraries; no margin or p-value is decided by less."""


@dataclass(frozen=True)
class Difference:
    """A stated value that does not follow. part: endpoint, ``utility retain``, ``baseline``, ``reference``, ``verdict``
    or what else of the candidate (empty ``candidate``: of the report as a whole)."""

    candidate: str
    part: str
    field: str
    stated: object
    recomputed: object


def agree(stated: Any, recomputed: Any) -> bool:
    """Whether two values are the same, numbers up to rounding.

    >>> agree((0.1, None), (0.1 + 1e-12, None)), agree(0.1, None), agree(1, True)
    (True, False, False)
    """
    if isinstance(stated, tuple) and isinstance(recomputed, tuple):
        return len(stated) == len(recomputed) and all(map(agree, stated, recomputed))
    if isinstance(stated, bool) or isinstance(recomputed, bool):
        return stated is recomputed
    if isinstance(stated, int) and isinstance(recomputed, int):
        return stated == recomputed
    if isinstance(stated, int | float) and isinstance(recomputed, int | float):
        return isclose(stated, recomputed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(stated == recomputed)


def differences(
    candidate: str, part: str, stated: Any, recomputed: Any, *, leave: Sequence[str] = ()
) -> Iterator[Difference]:
    """The fields in which two dataclasses of one kind differ, those in ``leave`` aside."""
    for field in fields(recomputed):
        if field.name not in leave:
            said, found = getattr(stated, field.name), getattr(recomputed, field.name)
            if not agree(said, found):
                yield Difference(candidate, part, field.name, said, found)
