"""Bytes of a CSV file, cut into blocks of whole records."""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from vestige.attacks.outputs.tables.columns import listed
from vestige.attacks.outputs.tables.sheet import LONGEST_ROW, check_names, need_file
from vestige.attacks.outputs.tables.wellformed import (
    CR,
    LF,
    SEPARATORS,
    Places,
    check_nul,
    check_records,
    check_start,
    line_at,
    places,
    too_long,
)
from vestige.learners.errors import DataError

_BLOCK = 2**23
# A parser's work on a block grows with its columns too, so a table of many columns is cut into fewer.
_WIDE, _WIDE_BLOCK = 1000, 2**26
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """names: columns. separator: of fields. header: bytes before the first record. line: the line it starts on."""

    path: Path
    names: tuple[str, ...]
    separator: str
    header: int
    line: int


@dataclass(frozen=True)
class Span:
    """Whole records, one after another. size: their bytes. rows: how many. row: number of rows before them. line: the
    line of the first (from 1). plain: every row is one line."""

    size: int
    rows: int
    row: int
    line: int
    plain: bool


@dataclass(frozen=True)
class Block:
    """A span with its bytes."""

    span: Span
    data: bytes

    def line_of(self, row: int) -> int:
        """Line on which a row of this block (from 0) starts."""
        starts, _ = _records(self.data)
        return line_at(self.data, self.span.line, int(starts[row]))


def read_layout(path: Path, *, tab: bool) -> Layout:
    """Column names and the separator: that of comma, semicolon and tab which the first line has (``tab``: the tab)."""
    need_file(path)
    with _open(path) as stream:
        start = _read(path, stream, LONGEST_ROW)
    check_start(path, start)
    check_nul(path, start, 1)
    mark = len(_BOM) if start.startswith(_BOM) else 0
    body = start[mark:]
    ends = places(body, LF)
    if not len(ends) and len(start) == LONGEST_ROW:
        raise too_long(path, 1)
    header = body[: int(ends[0]) + 1] if len(ends) else body
    text = header.decode("utf-8", errors="replace").rstrip("\r\n")
    if not text.strip():
        got = "a blank one" if body else "an empty file"
        raise DataError(f"{path}: expected a first line with the names of columns, got {got}")
    separator = "\t" if tab else _separator(path, text)
    check_records(path, header, separator, 1)
    try:
        names = tuple(name.strip() for name in next(csv.reader([text], delimiter=separator, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}, line 1: expected the names of columns, got something else ({error})") from error
    if len(names) < 2:
        raise DataError(f"{path}: expected columns separated by commas, semicolons or tabs, got {listed(names)}")
    check_names(path, names)
    return Layout(path, names, separator, mark + len(header), 1 + header.count(b"\n"))


def _separator(path: Path, text: str) -> str:
    outside = "".join(text.split('"')[::2])
    separators = [separator for separator in SEPARATORS if separator in outside]
    if len(separators) > 1:
        words = [SEPARATORS[separator] for separator in separators]
        raise DataError(
            f"{path}, line 1: expected one kind of separator, got {' and '.join(words)}; "
            "put column names that hold one into quotes"
        )
    return separators[0] if separators else ","


def scan(layout: Layout) -> Iterator[Span]:
    """The records after the header, some megabytes at a time; refuses what is not well formed. Blank lines may stand at
    the end."""
    path, row, line, rest, blank = layout.path, 0, layout.line, b"", 0
    size = _WIDE_BLOCK if len(layout.names) > _WIDE else _BLOCK
    with _open(path) as stream:
        _read(path, stream, layout.header)
        while True:
            chunk = _read(path, stream, size)
            check_nul(path, chunk, line + rest.count(b"\n"))
            data = rest + chunk
            cut = _whole(data) if chunk else len(data)
            records, rest = data[:cut], data[cut:]
            lines = records.count(b"\n")
            if len(rest) > LONGEST_ROW:
                raise too_long(path, line + lines)
            if records:
                check_records(path, records, layout.separator, line)
                starts, lengths = _records(records)
                blank = _check_blank(path, records, line, blank, starts, lengths)
                _check_fields(layout, records, line, starts, lengths)
                rows = int(np.count_nonzero(lengths))
                yield Span(len(records), rows, row, line, lines + (not records.endswith(b"\n")) == len(starts))
                row, line = row + rows, line + lines
            if not chunk:
                return


def blocks(layout: Layout, spans: Iterable[Span]) -> Iterator[Block]:
    """The bytes of spans that ``scan`` found, one after the other; those without a row are left out."""
    with _open(layout.path) as stream:
        _read(layout.path, stream, layout.header)
        for span in spans:
            data = _read(layout.path, stream, span.size)
            if span.rows:
                yield Block(span, data)


def _whole(data: bytes) -> int:
    """Bytes of ``data`` that are whole records."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    ends = places(data, LF)
    return int(ends[-1]) + 1 if len(ends) else 0


def _records(data: bytes) -> tuple[Places, Places]:
    """Start and length of each record, line ends not counted; a blank line has length 0."""
    codes, ends = np.frombuffer(data, np.uint8), places(data, LF)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes))
    starts = np.concatenate((np.zeros(1, ends.dtype), ends[:-1] + 1))
    lengths = ends - starts
    lengths -= (lengths > 0) & (codes[np.maximum(ends - 1, 0)] == CR)
    return starts, lengths


def _check_blank(path: Path, records: bytes, line: int, blank: int, starts: Places, lengths: Places) -> int:
    """The first blank line so far (0: none); refused when a row follows it."""
    empty, filled = np.flatnonzero(lengths == 0), np.flatnonzero(lengths)
    if not blank and len(empty):
        blank = line_at(records, line, int(starts[empty[0]]))
    if not blank:
        return 0
    if len(filled) and line_at(records, line, int(starts[filled[-1]])) > blank:
        raise DataError(f"{path}, line {blank}: expected a row, got a blank line; remove it")
    return blank


def _check_fields(layout: Layout, records: bytes, line: int, starts: Places, lengths: Places) -> None:
    separators = places(records, ord(layout.separator))
    fields = np.diff(np.searchsorted(separators, np.append(starts, len(records)))) + 1
    wrong = np.flatnonzero((fields != len(layout.names)) & (lengths > 0))
    if len(wrong):
        raise DataError(
            f"{layout.path}, line {line_at(records, line, int(starts[wrong[0]]))}: expected {len(layout.names)} fields "
            f"as in the first line, got {fields[wrong[0]]}; look for a missing value, or a text with "
            f"{SEPARATORS[layout.separator]} in it that is not in quotes"
        )


def _open(path: Path) -> BinaryIO:
    try:
        return cast(BinaryIO, gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb"))
    except OSError as error:
        raise DataError(f"{path}: expected a file, {error.strerror or error}; check the path") from error


def _read(path: Path, stream: Any, size: int) -> bytes:
    try:
        return cast(bytes, stream.read(size))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole file, got a damaged one ({error}); copy it again") from error
