"""Refusals of bytes that two CSV parsers might read in two ways; each names the line.

Quotes follow RFC 4180: a field is quoted as a whole, a quote in it is doubled, and it may hold line ends. Positions are
found with NumPy: a few passes over the bytes, no loop over rows.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.sheet import LONGEST_ROW
from vestige.learners.errors import DataError

LF, CR, QUOTE = 10, 13, 34
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_FOREIGN = (
    (b"\xff\xfe", "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save it as UTF-8"),
    (b"PK\x03\x04", "a zip archive such as a spreadsheet", "save it as CSV"),
    (b"PAR1", "Parquet", "name it .parquet"),
    (b"\x1f\x8b", "gzip", "name it .csv.gz"),
)

Places = NDArray[np.integer[Any]]


def places(data: bytes, code: int) -> Places:
    """Where ``code`` stands in ``data`` outside quotes; ``data`` start with a record."""
    codes = np.frombuffer(data, np.uint8)
    everywhere = np.flatnonzero(codes == code)
    if b'"' not in data:
        return everywhere
    outside: Places = everywhere[np.searchsorted(np.flatnonzero(codes == QUOTE), everywhere) % 2 == 0]
    return outside


def line_at(data: bytes, line: int, place: int) -> int:
    """The line of byte ``place`` when ``data`` start on ``line``."""
    return line + data.count(b"\n", 0, place)


def check_start(path: Path, data: bytes) -> None:
    """Refuse what by its first bytes is no CSV file."""
    for magic, name, do in _FOREIGN:
        if data.startswith(magic):
            raise DataError(f"{path}: expected UTF-8 text, got {name}; {do}")


def check_nul(path: Path, data: bytes, line: int) -> None:
    """Refuse NUL bytes."""
    place = data.find(b"\0")
    if place >= 0:
        raise DataError(
            f"{path}, line {line_at(data, line, place)}: expected UTF-8 text, got a NUL byte; save it as UTF-8"
        )


def check_records(path: Path, data: bytes, separator: str, line: int) -> None:
    """Refuse other encodings than UTF-8, quotes inside a field or never closed, and lines that end in a carriage return
    alone. ``data``: whole records."""
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {line_at(data, line, error.start)}: expected UTF-8 text, got the byte "
                f"0x{data[error.start]:02x}; save it as UTF-8"
            ) from error
    codes = np.frombuffer(data, np.uint8)
    if b'"' in data:
        _check_quotes(path, data, codes, separator, line)
    if b"\r" in data:
        returns = places(data, CR)
        alone = returns[codes[np.minimum(returns + 1, len(codes) - 1)] != LF]
        if len(alone):
            raise DataError(
                f"{path}, line {line_at(data, line, int(alone[0]))}: expected lines that end in a line feed, "
                "got a carriage return alone; save it with line feeds"
            )


def _check_quotes(path: Path, data: bytes, codes: NDArray[np.uint8], separator: str, line: int) -> None:
    quotes = np.flatnonzero(codes == QUOTE)
    border = np.zeros(256, np.bool_)
    border[[ord(separator), LF, CR, QUOTE]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = border[codes[np.maximum(opening - 1, 0)]] | (opening == 0)
    after = border[codes[np.minimum(closing + 1, len(codes) - 1)]]  # The last byte may be the quote itself.
    wrong = np.concatenate((opening[~before], closing[~after]))
    if len(wrong):
        raise DataError(
            f"{path}, line {line_at(data, line, int(wrong.min()))}: expected quotes around a whole field, got one "
            'inside a field; quote the field and double it, as in "a ""b"""'
        )
    if len(quotes) % 2:
        raise DataError(
            f"{path}, line {line_at(data, line, int(quotes[-1]))}: expected a closing quote, got the end of the file"
        )


def too_long(path: Path, line: int) -> DataError:
    """The refusal of a row beyond ``LONGEST_ROW``."""
    return DataError(
        f"{path}, line {line}: expected at most {LONGEST_ROW / 2**20:.0f} MiB in a row, got more; "
        "look for missing line ends or a quote that is never closed"
    )
