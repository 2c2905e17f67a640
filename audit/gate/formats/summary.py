"""The gate in Markdown, for the summary of a step in CI."""

from collections.abc import Iterable, Iterator

from vestige.audit.files.text import marked_up
from vestige.audit.gate.gate import Gate, GatedCandidate
from vestige.audit.gate.text import count
from vestige.learners.errors import DataError

MOST_BYTES = 2**20 - 1
"""GitHub refuses the whole summary of a step from 1 MiB on."""
LEAST_ROOM = 2000
RESERVE = 300
"""For the line that says what is missing, and what stands around it."""
HEAD = "| candidate | verdict | reasons | grade | report |\n| --- | --- | --- | --- | --- |\n"


def summary(found: Gate, before: bytes = b"") -> bytes:
    """``before``, what the file holds already, and the gate after it: below 1 MiB together, UTF-8.

    What does not fit is left out, and the last line says how many candidates that concerns. DataError where the file
    is full.
    """
    gap = b"" if not before or before.endswith(b"\n\n") else b"\n\n"
    room = MOST_BYTES - len(before) - len(gap)
    if room < LEAST_ROOM:
        raise DataError(
            f"expected room for a summary below 1 MiB, got a file of {len(before)} bytes; give another file"
        )
    return before + gap + _page(found, room).encode("utf-8")


def _page(found: Gate, room: int) -> str:
    head = f"## {found.outcome}: vestige gate\n\n{marked_up(found.headline, 600)}\n\n{HEAD}"
    rows = _fitting(map(_row, found.candidates), room - len(head.encode()) - RESERVE)
    table, hidden = f"{head}{''.join(rows)}\n", len(found.candidates) - len(rows)
    if hidden:
        left_out = f"{count(hidden, 'candidate')} of {len(found.candidates)} left out, and all details"
        return f"{table}{left_out}: the summary is kept below 1 MiB.\n"
    blocks = [*map(_details, found.candidates), *_remarks(found)]
    details = _fitting(blocks, room - len(table.encode()) - RESERVE)
    missing = "" if len(details) == len(blocks) else "Details are left out: the summary is kept below 1 MiB.\n"
    return f"{table}{''.join(details)}{missing}"


def _fitting(blocks: Iterable[str], room: int) -> list[str]:
    """The first blocks, as many as fit into so many bytes."""
    fitting: list[str] = []
    for block in blocks:
        room -= len(block.encode())
        if room < 0:
            break
        fitting.append(block)
    return fitting


def _row(gated: GatedCandidate) -> str:
    verdict = gated.audit.verdict
    outcome = verdict.outcome if verdict.outcome == "PASS" else f"**{verdict.outcome}**"
    reasons = marked_up(", ".join(verdict.codes))
    return f"| {marked_up(gated.name)} | {outcome} | {reasons} | {verdict.grade} | {marked_up(gated.source)} |\n"


def _details(gated: GatedCandidate) -> str:
    verdict = gated.audit.verdict
    notes = (f"Note: {note}" for note in verdict.notes)
    lines = (verdict.headline, *verdict.explanations, *notes, *verdict.would_change)
    points = "".join(f"- {marked_up(line, 1000)}\n" for line in lines)
    return f"<details><summary>{marked_up(gated.name)}</summary>\n\n{points}\n</details>\n\n"


def _remarks(found: Gate) -> Iterator[str]:
    lines = [*found.remarks, *(f"{entry.what}: {entry.state} ({entry.digest[:12]})" for entry in found.cited)]
    yield from (f"- {marked_up(line, 400)}\n" for line in lines)
