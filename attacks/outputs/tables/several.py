"""Several files, one for each model, matched by ids or row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.classes import Classes
from vestige.attacks.outputs.tables.columns import Columns, listed
from vestige.attacks.outputs.tables.facts import check_constant, fact_columns, first_rows
from vestige.attacks.outputs.tables.sheet import Numbers, Sheet, Table, unique_ids
from vestige.attacks.outputs.tables.single import Describe, long_columns, long_places, number_columns, scatter
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.scratch import scratch_array


@dataclass(frozen=True, eq=False)
class OneModel:
    """logits: ``[n, classes]`` in the file's order. sheet: one row per example, with the facts in ``found``."""

    classes: Classes
    logits: Numbers
    sheet: Sheet
    found: dict[str, str]


def read_model(table: Table, columns: Columns, max_bytes: int) -> OneModel:
    """The one model in ``table``: a column per class, a list column, an array, or a row per number."""
    found = fact_columns(columns, table)
    model = columns.find("model", table.names)
    extra = [model] if model is not None else []
    long = long_columns(table, columns)
    if long is not None:
        return _long(table, found, extra, long, max_bytes)
    numbers, classes = number_columns(table, columns)
    sheet = table.read([*found.values(), *extra], numbers, max_bytes, label=found.get("label"))
    _check_one(sheet, extra)
    if "id" in found:
        unique_ids(sheet, found["id"])
    return OneModel(classes or Classes.in_order(sheet.numbers.shape[1]), sheet.numbers, sheet, found)


def _long(table: Table, found: dict[str, str], extra: Sequence[str], long: tuple[str, str], max_bytes: int) -> OneModel:
    if "id" not in found:
        raise ConfigError(
            f"{table.path}: expected a column id, as each example has several rows, got {listed(table.names)}; "
            "name it with --column id=COLUMN or add it"
        )
    sheet = table.read([*found.values(), *extra, long[0]], [long[1]], max_bytes, label=found.get("label"))
    _check_one(sheet, extra)
    examples = sheet.texts[found["id"]]
    classes, at = long_places(sheet, long[0])
    count = len(classes.names)
    size = len(examples.names) * count
    describe = Describe(sheet, [("id", examples.names), ("class", classes.names)])
    if size > 64 * sheet.rows:
        raise DataError(f"{table.path}: expected a row for each {describe.what}, got {sheet.rows} of {size}")
    place = examples.codes.astype(np.int64) * count + at
    logits = scatter(sheet.numbers, place, size, describe).reshape(-1, count)
    first = first_rows(examples.codes, len(examples.names))
    check_constant(sheet, examples, found, first)
    return OneModel(classes, logits, sheet.rows_at(first), found)


def _check_one(sheet: Sheet, extra: Sequence[str]) -> None:
    for column in extra:
        names = sheet.texts[column].names
        if len(names) > 1:
            raise DataError(
                f"{sheet.path}, column {column!r}: expected one model in the file, got {len(names)} "
                f"({listed(names[:3])}); give a file with all models as the outputs"
            )


def columns_for(model: OneModel, classes: Classes) -> NDArray[np.int64] | None:
    """The columns of ``model`` in the order of ``classes``; None where that is their order already."""
    own = model.classes
    if own.by_place or classes.by_place:
        named = classes if own.by_place else own
        if len(own.names) != len(classes.names):
            raise DataError(
                f"{model.sheet.path}: expected {len(classes.names)} classes as in the first file, got {len(own.names)}"
            )
        if named.base is None:
            raise DataError(
                f"{model.sheet.path}: expected classes named as in the other files ({listed(named.names)}), got an "
                "array without names in one of them; number the classes everywhere, or name them everywhere"
            )
        return None
    if own.names == classes.names:
        return None
    return np.argsort(classes.places(model.sheet.path, own.names))


def put(
    stack: Numbers | None,
    at: int,
    models: int,
    logits: Numbers,
    rows: NDArray[np.int64] | None,
    columns: NDArray[np.int64] | None,
) -> Numbers:
    """``logits`` as model ``at`` of ``stack [models, n, classes]``, which is made or widened when it has to be."""
    dtype = logits.dtype if stack is None else np.result_type(stack.dtype, logits.dtype)
    if stack is None or stack.dtype != dtype:
        wider = scratch_array((models, *logits.shape), dtype)
        for before in range(at):
            wider[before] = stack[before] if stack is not None else 0
        stack = wider
    step = max(1, 2**24 // (logits.shape[1] * logits.itemsize))
    for start in range(0, len(logits), step):
        stop = start + step
        part = logits[start:stop] if rows is None else logits[rows[start:stop]]
        stack[at, start:stop] = part if columns is None else part[:, columns]
    return stack
