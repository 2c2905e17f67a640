"""Reading example indices from a file: one a line, ``.npy``, or the ``index`` column of a ``.csv``."""

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from learners._errors import DataError

_LONGEST = 18  # decimal digits that always fit int64


def read_indices(path: Path) -> NDArray[np.int64]:
    """The indices in ``path``, int64 ``[m]``, in the file's order and with whatever duplicates it has."""
    try:
        if path.suffix == ".npy":
            return _from_array(path)
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = _column(path, stream) if path.suffix == ".csv" else list(enumerate(stream, 1))
    except OSError as error:
        raise DataError(f"{path}: expected a file of indices, {error.strerror or error}; check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected text with one index a line, got something else ({error})") from error
    return np.array([_index(path, number, text) for number, text in lines if text.strip()], dtype=np.int64)


def _from_array(path: Path) -> NDArray[np.int64]:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: expected a NumPy array of whole numbers, could not be read ({error})") from error
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iu":
        got = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "an archive"
        raise DataError(f"{path}: expected one-dimensional whole numbers, got {got}")
    if values.dtype.kind == "u" and len(values) and int(values.max()) > np.iinfo(np.int64).max:
        raise DataError(f"{path}: expected indices, got {int(values.max())}")
    return values.astype(np.int64)


def _column(path: Path, stream: TextIO) -> list[tuple[int, str]]:
    rows = csv.reader(stream)
    header = [name.strip() for name in next(rows, [])]
    if "index" not in header:
        raise DataError(f"{path}: expected a column named index, got {', '.join(header) or 'an empty file'}")
    at = header.index("index")
    return [(rows.line_num, row[at] if at < len(row) else "missing") for row in rows if row]


def _index(path: Path, line: int, text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST):
        raise DataError(f"{path}, line {line}: expected an index such as 17, got {digits[:40]!r}")
    return int(digits)
