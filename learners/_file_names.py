"""Examples by file name: exactly, or by the ending of one name only."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from learners._errors import ConfigError, DataError
from learners._examples import Examples, Indices
from learners.strangers import first_names, shown_path


def rows_of_files(path: Path, examples: Examples, given: Sequence[str]) -> Indices:
    """Rows, rising and distinct, of the files that ``path`` lists.

    An ending starts at a folder's name: ``b.png`` is ``a/b.png`` and never ``ab.png``. Letters with accents match in
    either Unicode form, as some systems store one and some the other.
    """
    if examples.files is None:
        raise ConfigError(
            f"{shown_path(path)}: expected examples with file names, {examples.name} has none; list indices, or a mask"
        )
    exact: dict[str, list[int]] = {}
    by_last: dict[str, list[int]] = {}
    known = [_plain(name) for name in examples.files.tolist()]
    for row, name in enumerate(known):
        exact.setdefault(name, []).append(row)
        by_last.setdefault(name.rpartition("/")[2], []).append(row)
    rows: list[int] = []
    unknown: list[str] = []
    unclear: list[str] = []
    for text in given:
        name = _plain(text)
        found = exact.get(name)
        if found is None:
            found = [row for row in by_last.get(name.rpartition("/")[2], ()) if known[row].endswith(f"/{name}")]
        if len(found) == 1:
            rows.append(found[0])
        else:
            (unclear if found else unknown).append(text)
    origin = shown_path(path)
    if unknown:
        raise DataError(
            f"{origin}: expected files of {examples.name} (such as {first_names(known[:1])}), got {len(unknown)} that "
            f"it does not have ({first_names(unknown)})"
        )
    if unclear:
        raise DataError(
            f"{origin}: expected names that fit one file of {examples.name} each, got {len(unclear)} that fit several "
            f"({first_names(unclear)}); write more of their folders"
        )
    distinct, times = np.unique(np.array(rows, dtype=np.int64), return_counts=True)
    if len(distinct) < len(rows):
        twice = [known[row] for row in distinct[times > 1]]
        raise DataError(f"{origin}: expected each file once, got {len(twice)} more often ({first_names(twice)})")
    if not len(distinct):
        raise DataError(f"{origin}: expected at least one file name, got none")
    return distinct


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.removeprefix("./"))
