"""Rows of a table put where they belong: by model, id and class, or as one model of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.sheet import Numbers, Sheet
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.scratch import scratch_array

_STEP = 2**24


@dataclass(frozen=True, eq=False)
class Key:
    """A column that says where a row belongs: the texts in it, and the code of each row's."""

    name: str
    texts: Sequence[str] | NDArray[np.object_]
    codes: NDArray[np.integer[Any]]


def scatter(sheet: Sheet, keys: Sequence[Key]) -> Numbers:
    """The numbers of a sheet, a row for each combination of the keys, the last running fastest; refuses a combination
    that has two rows or none."""
    place, size = np.zeros(sheet.rows, np.int64), 1
    for key in keys:
        place, size = place * len(key.texts) + key.codes, size * len(key.texts)
    names = ", ".join(key.name for key in keys[:-1]) + f" and {keys[-1].name}"
    if size > 64 * sheet.rows:
        raise DataError(f"{sheet.path}: expected a row for each {names}, got {sheet.rows} of {size}")
    seen = np.zeros(size, np.bool_)
    seen[place] = True
    if int(seen.sum()) < len(place):
        first = np.full(size, -1, np.int64)
        first[place[::-1]] = np.arange(len(place) - 1, -1, -1)
        row = int(np.flatnonzero(first[place] != np.arange(len(place)))[0])
        combination = _described(keys, int(place[row]))
        raise DataError(f"{sheet.where(row)}: expected one row for {combination}, got a second one")
    if not seen.all():
        missing = np.flatnonzero(~seen)
        raise DataError(
            f"{sheet.path}: expected a row for each {names}, got none for {_described(keys, int(missing[0]))}"
            + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
        )
    out = scratch_array((size, sheet.numbers.shape[1]), sheet.numbers.dtype)
    step = max(1, _STEP // max(1, out.shape[1] * out.itemsize))
    for start in range(0, len(place), step):
        out[place[start : start + step]] = sheet.numbers[start : start + step]
    return out


def _described(keys: Sequence[Key], place: int) -> str:
    words = []
    for key in reversed(keys):
        place, code = divmod(place, len(key.texts))
        words.append(f"{key.name} {str(key.texts[code])[:60]!r}")
    return ", ".join(reversed(words))


def put(
    stack: Numbers | None,
    at: int,
    models: int,
    logits: Numbers,
    rows: Indices | None = None,
    columns: Indices | None = None,
) -> Numbers:
    """``logits`` as model ``at`` of ``stack [models, n, classes]``, which is made or widened when it has to be.

    rows, columns: their order; None: as they are."""
    dtype = logits.dtype if stack is None else np.result_type(stack.dtype, logits.dtype)
    if stack is None or stack.dtype != dtype:
        wider = scratch_array((models, *logits.shape), dtype)
        if stack is not None:
            wider[:at] = stack[:at]
        stack = wider
    step = max(1, _STEP // (logits.shape[1] * logits.itemsize))
    for start in range(0, len(logits), step):
        stop = start + step
        block = logits[start:stop] if rows is None else logits[rows[start:stop]]
        stack[at, start:stop] = block if columns is None else block[:, columns]
    return stack
