"""Reading example indices from a file: one a line, ``.npy``, or the ``index`` column of a ``.csv``."""

import csv
import io
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from learners._errors import DataError
from learners._files import read_bounded

MOST_BYTES = 2**28
"""Of a file of indices: more than twenty million of them."""
_LONGEST = 18  # decimal digits that always fit int64


def read_indices(path: Path) -> NDArray[np.int64]:
    """The indices in ``path``, int64 ``[m]``, in the file's order and with whatever duplicates it has."""
    try:
        content = read_bounded(path, MOST_BYTES, "a file of indices")
        if path.suffix == ".npy":
            return _from_array(path, content)
        stream = io.StringIO(content.decode("utf-8-sig"), newline="")
        lines = _column(path, stream) if path.suffix == ".csv" else list(enumerate(stream, 1))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected text with one index a line, got something else ({error})") from error
    return np.array([_index(path, number, text) for number, text in lines if text.strip()], dtype=np.int64)


def _from_array(path: Path, content: bytes) -> NDArray[np.int64]:
    try:
        # From memory: a header that promises more than the file holds is refused before anything is allocated.
        values = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # the header is parsed as Python text, which may end in any error of its parser
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: expected a NumPy array of whole numbers, could not be read ({said})") from error
    if values.ndim != 1 or values.dtype.kind not in "iu":
        got = f"{str(values.dtype)[:80]} {list(values.shape)[:8]}"
        raise DataError(f"{path}: expected one-dimensional whole numbers, got {got}")
    if values.dtype.kind == "u" and len(values) and int(values.max()) > np.iinfo(np.int64).max:
        raise DataError(f"{path}: expected indices, got {int(values.max())}")
    return values.astype(np.int64)


def _column(path: Path, stream: TextIO) -> list[tuple[int, str]]:
    rows = csv.reader(stream)
    header = [name.strip() for name in next(rows, [])]
    if "index" not in header:
        raise DataError(f"{path}: expected a column named index, got {', '.join(header)[:200] or 'an empty file'}")
    at = header.index("index")
    return [(rows.line_num, row[at] if at < len(row) else "missing") for row in rows if row]


def _index(path: Path, line: int, text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST):
        raise DataError(f"{path}, line {line}: expected an index such as 17, got {digits[:40]!r}")
    return int(digits)
