"""Untrusted tables of text (``.csv``, ``.tsv``, Parquet): a few columns out of them, and nothing else kept."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from vestige.learners.errors import DataError
from vestige.learners.files.arrow import arrow_module, reading_arrow
from vestige.learners.files.untrusted import LONGEST_NAME, check_regular, first_names, readable, shown, shown_path

LARGEST = 2**29
"""Bytes of a table or list of text; a line for each of ten million images is about half of that."""
MOST_ROWS = 50_000_000

_TABLE = "a table with one line of column names (UTF-8)"
_LONGEST = 18  # decimal digits that always fit int64

Pick = Callable[[Sequence[str]], Mapping[str, str]]
"""From a table's column names to the columns that are wanted: role to name."""


@dataclass(frozen=True)
class Columns:
    """Texts of the wanted columns, row by row. names: role to the column's name. values: role to texts ``[m]``."""

    path: Path
    names: Mapping[str, str]
    values: Mapping[str, list[str]]
    lines: Sequence[int]
    word: str = "line"

    def where(self, row: int) -> str:
        """The place of a row, to begin a sentence with."""
        return f"{shown_path(self.path)}, {self.word} {self.lines[row]}"

    def check_filled(self, role: str) -> None:
        """DataError for a row with no text in this column."""
        for row, text in enumerate(self.values[role]):
            if not text:
                raise DataError(f"{self.where(row)}: expected a {role} in every row, got none; fill or remove the row")

    def __len__(self) -> int:
        return len(self.lines)


def read_columns(path: Path, pick: Pick) -> Columns:
    """The columns that ``pick`` names, of at least one row. CSV and TSV (by ``.tsv``) are UTF-8 with one line of names;
    where that line has semicolons and no comma, as spreadsheets write them, these separate. Parquet by ``.parquet``.

    Raises DataError for unreadable, ragged, empty or far too large tables, and whatever ``pick`` raises.
    """
    table = _from_parquet(path, pick) if path.suffix.lower() == ".parquet" else _from_text(path, pick)
    if not len(table):
        raise DataError(f"{shown_path(path)}: expected at least one row, got none")
    return table


def is_whole_number(text: str) -> bool:
    """Whether the text is a whole number from 0 that fits int64."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST


def _from_text(path: Path, pick: Pick) -> Columns:
    check_regular(path, largest=LARGEST)
    broken = readable(_TABLE, "save it again", UnicodeDecodeError, csv.Error, where=shown_path(path))
    with reading(path) as stream, broken:
        return _from_csv(path, stream, pick)


def reading(path: Path) -> TextIO:
    """An untrusted text file, open; DataError where it cannot be opened."""
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{shown_path(path)}: expected a readable file, {error.strerror or error}") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Line numbers and stripped texts of a list with one entry a line; empty lines are left out."""
    check_regular(path, largest=LARGEST)
    expected = "text with one index a line, or one file name (UTF-8)"
    with reading(path) as stream, readable(expected, "save it again", UnicodeDecodeError, where=shown_path(path)):
        return [(number, text) for number, line in enumerate(stream, 1) if (text := line.strip())]


def _from_csv(path: Path, stream: TextIO, pick: Pick) -> Columns:
    first = stream.readline(2**16)
    stream.seek(0)
    separator = "\t" if path.suffix.lower() == ".tsv" else ";" if ";" in first and "," not in first else ","
    rows = csv.reader(stream, delimiter=separator, strict=True)
    header = [name.strip() for name in next(rows, [])]
    names = pick(_distinct(path, header))
    places = [header.index(name) for name in names.values()]
    kept: list[list[str]] = [[] for _ in places]
    lines: list[int] = []
    width = len(header)
    for row in rows:
        if len(row) != width:
            if not row:
                continue
            raise DataError(
                f"{shown_path(path)}, line {rows.line_num}: expected {width} fields as in its first line, "
                f"got {len(row)}; put names that hold the separator in quotes"
            )
        lines.append(rows.line_num)
        for column, place in zip(kept, places, strict=True):
            column.append(row[place].strip())
    return Columns(path, names, dict(zip(names, kept, strict=True)), lines)


def _distinct(path: Path, header: Sequence[str]) -> Sequence[str]:
    if not any(header):
        raise DataError(f"{shown_path(path)}: expected a table with one line of column names, got an empty file")
    twice = sorted({name for name in header if name and header.count(name) > 1}) if len(header) < 1000 else header
    if twice:
        raise DataError(f"{shown_path(path)}: expected each column once, got {first_names(twice)}; rename one")
    return header


def _from_parquet(path: Path, pick: Pick) -> Columns:
    check_regular(path)
    parquet = arrow_module("pyarrow.parquet", path)
    with reading_arrow(path, _TABLE, "save it again"), parquet.ParquetFile(path) as file:
        names = pick(_distinct(path, file.schema_arrow.names))
        if file.metadata.num_rows > MOST_ROWS:
            raise DataError(f"{shown_path(path)}: expected at most {MOST_ROWS} rows, got {file.metadata.num_rows}")
        kept: dict[str, list[str]] = {role: [] for role in names}
        for batch in file.iter_batches(batch_size=4096, columns=list(names.values())):
            batch.validate(full=True)
            for role, name in names.items():
                kept[role] += _texts(path, name, batch.column(name))
    rows = len(next(iter(kept.values())))
    return Columns(path, names, kept, range(rows), "row")


def _texts(path: Path, name: str, column: Any) -> Iterator[str]:
    for value in column.to_pylist():
        if type(value) not in (str, int, bool) or (type(value) is str and len(value) > LONGEST_NAME):
            raise DataError(
                f"{shown_path(path)}: expected whole numbers or short text in column {shown(name)!r}, "
                f"got {shown(repr(value))}"
            )
        yield str(value).strip()
