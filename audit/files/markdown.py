"""Pages of results in Markdown: tables, and notes that somebody wrote, which survive when a page is written again."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from vestige.learners.errors import DataError

BEGIN, END = "<!-- notes -->", "<!-- /notes -->"


def notes_of(path: Path) -> str:
    """The hand-written notes of the page at ``path``, empty where there is no file.

    Raises DataError for a file that does not have the notes' two marks once each, in order: it would be overwritten.
    """
    if not path.exists():
        return "\n"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected a page of results in UTF-8, got other bytes; choose another file") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"{path}: expected {BEGIN} and {END} once each, in a page of results; choose another file")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def marked(notes: str) -> str:
    """Notes between the marks by which ``notes_of`` finds them again."""
    return f"{BEGIN}{notes}{END}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their header."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
