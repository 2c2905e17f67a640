"""Examples by file name: exactly, or by the ending of one name only."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.untrusted import first_names, shown_path

_NONE, _SEVERAL = -1, -2


def rows_of_files(path: Path, examples: Examples, given: Sequence[str]) -> Indices:
    """Rows, rising and distinct, of the files that ``path`` lists.

    An ending starts at a folder's name: ``b.png`` is ``a/b.png`` and never ``ab.png``. Letters with accents match in
    either Unicode form, as some systems store one and some the other.
    """
    if examples.files is None:
        raise ConfigError(
            f"{shown_path(path)}: expected examples with file names, {examples.name} has none; list indices, or a mask"
        )
    known = [_plain(name) for name in examples.files.tolist()]
    wanted = [_plain(text) for text in given]
    found = _unique(known)
    deepest = max(name.count("/") for name in known)
    for steps in sorted({name.count("/") for name in wanted if name not in found} & set(range(deepest))):
        # Names of this depth, against as many last steps of every known one: linear, however alike the names are.
        ends = _unique([_last(name, steps) for name in known])
        found |= {
            name: ends[name] for name in wanted if name not in found and name.count("/") == steps and name in ends
        }
    rows = [found.get(name, _NONE) for name in wanted]
    unknown = [text for text, row in zip(given, rows, strict=True) if row == _NONE]
    unclear = [text for text, row in zip(given, rows, strict=True) if row == _SEVERAL]
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


def _unique(names: Sequence[str]) -> dict[str, int]:
    """Name to its row, or to ``_SEVERAL``."""
    rows = {name: row for row, name in enumerate(names)}
    if len(rows) < len(names):
        times = Counter(names)
        rows |= {name: _SEVERAL for name, many in times.items() if many > 1}
    return rows


def _last(name: str, steps: int) -> str:
    return "/".join(name.rsplit("/", steps + 1)[-steps - 1 :])


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.removeprefix("./"))
