"""What a table holds once it is read, whatever its format: texts as codes, numbers as one array."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.scratch import scratch_array

LONGEST_TEXT = 4096
"""Characters of one text; a path fits."""
LONGEST_ROW = 16 * 2**20
"""Bytes of one row of text; 600,000 numbers fit."""

Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts: ``names[codes]``. codes: int32 ``[rows]``. names: distinct, in order of first appearance."""

    codes: NDArray[np.int32]
    names: NDArray[np.object_]

    def values(self) -> NDArray[np.object_]:
        """The texts, ``[rows]``."""
        values: NDArray[np.object_] = self.names[self.codes]
        return values


@dataclass(frozen=True, eq=False)
class Sheet:
    """Columns of a table, as read. texts: by column. numbers: float ``[rows, columns]``. first: what the first row
    is called, for messages (``("line", 2)`` of a CSV file). origin: the rows of the file that these are; None: all."""

    path: Path
    rows: int
    texts: Mapping[str, Texts]
    numbers: Numbers
    first: tuple[str, int] = ("row", 1)
    origin: Indices | None = None

    def where(self, row: int) -> str:
        """The place of a row (from 0) in words."""
        row = row if self.origin is None else int(self.origin[row])
        return f"{self.path}, {self.first[0]} {self.first[1] + row}"

    def rows_at(self, rows: Indices) -> "Sheet":
        """The texts of these rows, without numbers."""
        texts = {name: Texts(texts.codes[rows], texts.names) for name, texts in self.texts.items()}
        return Sheet(self.path, len(rows), texts, self.numbers[:0], self.first, rows)


class Table(Protocol):
    """An opened file: its columns are known, its numbers are not read yet."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> Sequence[str]:
        """Column names."""

    @property
    def lists(self) -> Sequence[str]:
        """Those columns that hold a list of numbers in every row."""

    def read(self, texts: Sequence[str], numbers: Sequence[str], max_bytes: int, *, label: str | None = None) -> Sheet:
        """The columns ``texts`` and ``numbers`` (or one of ``lists``); DataError beyond ``max_bytes`` of numbers.
        label: the one text column that may hold floats, as 3.0 is a label and no id."""


def pandas() -> Any:
    """pandas, imported when a table is read: it would make every command start later."""
    return import_module("pandas")


class Coder:
    """Texts to codes, block by block; holds a distinct text about three times at most, however many rows there are."""

    def __init__(self, rows: int) -> None:
        self._codes = scratch_array((rows,), np.int32)
        self._filled = 0
        self._names: list[NDArray[np.object_]] = []
        self._known = 0
        self._waiting = 0

    def add(self, values: NDArray[np.object_]) -> None:
        """The next rows as texts."""
        codes, names = pandas().factorize(values)
        self.add_coded(codes, names)

    def add_coded(self, codes: NDArray[np.integer[Any]], names: NDArray[np.object_]) -> None:
        """The next rows as codes into ``names``."""
        stop = self._filled + len(codes)
        self._codes[self._filled : stop] = codes + (self._known + self._waiting)
        self._filled = stop
        self._names.append(names)
        self._waiting += len(names)
        if self._waiting > 2 * self._known + 2**17:
            self._merge()

    def _merge(self) -> None:
        if not self._names:
            return
        place, names = pandas().factorize(np.concatenate(self._names))
        for start in range(0, self._filled, 2**20):
            block = self._codes[start : min(start + 2**20, self._filled)]
            block[:] = place[block]
        self._names, self._known, self._waiting = [names], len(names), 0

    def texts(self) -> Texts:
        """All rows so far."""
        self._merge()
        return Texts(self._codes[: self._filled], self._names[0] if self._names else np.empty(0, object))


def unique_ids(sheet: Sheet, column: str) -> NDArray[np.object_]:
    """The ids of a sheet with one row per example; refuses one that is there twice."""
    texts = sheet.texts[column]
    if len(texts.names) < sheet.rows:
        row = int(np.flatnonzero(texts.codes != np.arange(sheet.rows))[0])
        counts = np.bincount(texts.codes, minlength=len(texts.names))
        twice = ", ".join(repr(name[:60]) for name in texts.names[counts > 1][:3])
        raise DataError(
            f"{sheet.where(row)}, column {column!r}: expected each id once, got {int((counts > 1).sum())} more often "
            f"({twice}); remove the repetitions"
        )
    return texts.names


def check_text(name: str, values: Sequence[str] | NDArray[np.object_]) -> tuple[int, str] | None:
    """The first of the texts that cannot be meant, as (index, what is wrong), or None."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    wrong = np.flatnonzero((lengths == 0) | (lengths > LONGEST_TEXT))
    if not len(wrong):
        return None
    at = int(wrong[0])
    if lengths[at] == 0:
        return at, f"expected a text in column {name!r}, got an empty cell; fill it or leave the column out"
    return at, f"expected at most {LONGEST_TEXT} characters in column {name!r}, got {lengths[at]}; shorten it"


def check_size(path: Path, rows: int, columns: int, itemsize: int, max_bytes: int) -> None:
    """Refuse more numbers than ``max_bytes`` before any room is made for them."""
    if rows * columns * itemsize > max_bytes:
        raise DataError(
            f"{path}: expected at most {max_bytes / 2**30:.3g} GiB of numbers, got {rows} rows of {columns} "
            f"({rows * columns * itemsize / 2**30:.3g} GiB); audit fewer examples or store float16 in Parquet"
        )


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a column name that is there twice: which of the two was meant?"""
    counts = Counter(name for name in names if name)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(f"{path}: expected each column name once, got {twice[0][:60]!r} twice; rename one of them")


def need_file(path: Path) -> None:
    """Refuse what is no file."""
    if not path.is_file():
        got = "a folder" if path.is_dir() else "something else" if path.exists() else "nothing"
        raise DataError(f"{path}: expected a file, got {got}; check the path")
