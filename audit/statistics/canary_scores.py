"""Scores of canaries from a file: ``.npy``, or a ``.csv`` with the columns index and score."""

import csv
from pathlib import Path

import numpy as np

from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError
from vestige.learners.files.npy_header import read_npy_header

BYTES_A_SCORE = 200
"""More than a line of a table, or a number of an array, can take; what is larger is not read."""
ROOM = 65_536


def read_scores(path: Path, count: int) -> Floats:
    """The scores of ``count`` canaries, float64 ``[count]``, in the order of the planting; higher = more member-like.

    A CSV file has a header and a row for every canary: ``index``, its number from 0, and ``score``; other columns are
    ignored and rows may come in any order. DataError for a file that cannot be read, for another number of scores, for
    an index that repeats, is missing or out of range, and for a score that is no finite number.
    """
    most = ROOM + BYTES_A_SCORE * count
    try:
        if path.exists() and not path.is_file():  # a device or pipe may never end
            raise OSError(None, "a folder, pipe or device")
        size = path.stat().st_size
        if size > most:
            raise DataError(
                f"{path}: expected the scores of {count} canaries, got a file of {size} bytes; check the path"
            )
        scores = _array(path, count) if path.suffix == ".npy" else _table(path, count)
    except OSError as error:
        raise DataError(f"{path}: expected a file of scores, {error.strerror or error}; check the path") from None
    wrong = int((~np.isfinite(scores)).sum())
    if wrong:
        raise DataError(f"{path}: expected finite scores, got {wrong} that are NaN or infinite; score every canary")
    return scores


def _array(path: Path, count: int) -> Floats:
    with path.open("rb") as stream:
        try:
            header = read_npy_header(stream, path.stat().st_size)
        except ValueError as error:
            raise DataError(f"{path}: expected a NumPy array of scores, could not be read ({error})") from None
        if header.dtype.kind not in "fiu" or header.shape != (count,):
            raise DataError(
                f"{path}: expected numbers of shape [{count}], one for each canary, got {header.dtype} "
                f"{list(header.shape)}"
            )
        return np.frombuffer(stream.read(), header.dtype).astype(np.float64)


def _table(path: Path, count: int) -> Floats:
    scores, seen = np.zeros(count), np.zeros(count, np.bool_)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(rows, [])]
            for name in ("index", "score"):
                if header.count(name) != 1:
                    got = ", ".join(header)[:80] or "an empty file"
                    raise DataError(f"{path}: expected one column named {name}, got {got}")
            places = header.index("index"), header.index("score")
            for row in rows:
                if row:
                    index, score = _row(path, rows.line_num, row, places, count)
                    if seen[index]:
                        raise DataError(f"{path}, line {rows.line_num}: expected each canary once, got {index} again")
                    scores[index], seen[index] = score, True
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a table with the columns index and score ({error})") from None
    if not seen.all():
        missing = np.flatnonzero(~seen)
        first = ", ".join(map(str, missing[:5].tolist()))
        raise DataError(f"{path}: expected a score for each of {count} canaries, {len(missing)} are missing ({first})")
    return scores


def _row(path: Path, line: int, row: list[str], places: tuple[int, int], count: int) -> tuple[int, float]:
    if len(row) <= max(places):
        raise DataError(f"{path}, line {line}: expected an index and a score, got {len(row)} values")
    digits, text = row[places[0]].strip(), row[places[1]].strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) < count):
        raise DataError(f"{path}, line {line}: expected an index in 0..{count - 1}, got {digits[:40]!r}")
    try:
        return int(digits), float(text)
    except ValueError:
        raise DataError(f"{path}, line {line}: expected a number as score, got {text[:40]!r}") from None
