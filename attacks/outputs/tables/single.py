"""One file with all models: a row per example and model, a row per number, or one row per example with all columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.arrays import ArrayFile
from vestige.attacks.outputs.tables.classes import Classes
from vestige.attacks.outputs.tables.columns import DEFAULTS, LISTS, Columns, class_columns, listed, matches
from vestige.attacks.outputs.tables.facts import check_constant, fact_columns, first_rows
from vestige.attacks.outputs.tables.models import Model, ordered, parse_column, parse_model
from vestige.attacks.outputs.tables.sheet import Numbers, Sheet, Table, unique_ids
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.scratch import scratch_array

_STEP = 2**24


@dataclass(frozen=True, eq=False)
class Answers:
    """logits: ``[models, n, classes]``. ids: ``[n]`` or None. sheet, found, rows: where the facts about the examples
    stand, by ``Facts.add``."""

    models: Sequence[Model]
    classes: Classes
    logits: Numbers
    ids: NDArray[np.object_] | None
    sheet: Sheet
    found: dict[str, str]
    rows: NDArray[np.int64] | None


def read_single(table: Table, columns: Columns, max_bytes: int) -> Answers:
    """The file in whichever of the three layouts its columns speak of; ConfigError when they speak of none."""
    model = columns.find("model", table.names)
    if model is not None:
        return _rows(table, columns, model, max_bytes)
    wide = _wide_columns(table, columns)
    if not wide:
        raise ConfigError(
            f"{table.path}: expected a column model, or columns such as candidate_0 and retrain_1_0, got "
            f"{listed(table.names)}; name the column of models with --column model=COLUMN, or give a file per model"
        )
    return _wide(table, columns, wide, max_bytes)


def number_columns(table: Table, columns: Columns) -> tuple[list[str], Classes | None]:
    """Columns with one number per class, in the order of the classes; a list column has no classes yet (None)."""
    listing = [columns.logits] if columns.logits is not None else LISTS
    lists = [name for name in table.lists if isinstance(table, ArrayFile) or name in listing]
    if lists:
        return lists[:1], None
    found = class_columns(columns, table.names)
    if len(found) < 2:
        wanted = columns.logits or "logit_0, logit_1, ... (or logits_, prob_, p_, class_, or the number alone)"
        raise ConfigError(
            f"{table.path}: expected columns {wanted} with one number per class, got {listed(table.names)}; "
            "name them with --column logits=PREFIX*"
        )
    classes = Classes.of(table.path, list(found.values()))
    places = classes.places(table.path, list(found.values()))
    names = list(found)
    return [names[at] for at in np.argsort(places)], classes


def long_columns(table: Table, columns: Columns) -> tuple[str, str] | None:
    """The columns of class and value, if the table has both."""
    of_class, value = columns.find("class", table.names), columns.find("value", table.names)
    return None if of_class is None or value is None else (of_class, value)


def scatter(numbers: Numbers, place: NDArray[np.int64], size: int, describe: "Describe") -> Numbers:
    """``numbers [rows, k]`` as ``[size, k]`` with row i at ``place[i]``; refuses a place filled twice or not at all."""
    seen = np.zeros(size, np.bool_)
    seen[place] = True
    if int(seen.sum()) < len(place):
        first = np.full(size, -1, np.int64)
        first[place[::-1]] = np.arange(len(place) - 1, -1, -1)
        row = int(np.flatnonzero(first[place] != np.arange(len(place)))[0])
        raise DataError(
            f"{describe.sheet.where(row)}: expected one row for {describe(int(place[row]))}, got a second one"
        )
    if not seen.all():
        missing = np.flatnonzero(~seen)
        raise DataError(
            f"{describe.sheet.path}: expected a row for each {describe.what}, got none for {describe(int(missing[0]))}"
            + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
        )
    out = scratch_array((size, numbers.shape[1]), numbers.dtype)
    step = max(1, _STEP // max(1, numbers.shape[1] * numbers.itemsize))
    for start in range(0, len(place), step):
        out[place[start : start + step]] = numbers[start : start + step]
    return out


@dataclass(frozen=True, eq=False)
class Describe:
    """Names a place of ``scatter`` in words: parts are (name, texts), the last running fastest."""

    sheet: Sheet
    parts: Sequence[tuple[str, Sequence[str] | NDArray[np.object_]]]

    @property
    def what(self) -> str:
        """All parts: id, model, class."""
        return ", ".join(name for name, _ in self.parts[:-1]) + f" and {self.parts[-1][0]}"

    def __call__(self, place: int) -> str:
        words = []
        for name, texts in reversed(self.parts):
            place, at = divmod(place, len(texts))
            words.append(f"{name} {str(texts[at])[:60]!r}")
        return ", ".join(reversed(words))


def long_places(sheet: Sheet, column: str) -> tuple[Classes, NDArray[np.int64]]:
    """Classes named in a column, and the place of each row's."""
    texts = sheet.texts[column]
    if len(texts.names) < 2:
        raise DataError(f"{sheet.path}, column {column!r}: expected two classes or more, got {listed(texts.names)}")
    classes = Classes.of(sheet.path, list(texts.names))
    return classes, classes.places(sheet.path, list(texts.names))[texts.codes]


def _rows(table: Table, columns: Columns, model: str, max_bytes: int) -> Answers:
    found = fact_columns(columns, table)
    if "id" not in found:
        raise ConfigError(
            f"{table.path}: expected a column id, as each example has several rows, got {listed(table.names)}; "
            "name it with --column id=COLUMN or add it"
        )
    long = long_columns(table, columns)
    numbers, classes = ([long[1]], None) if long else number_columns(table, columns)
    texts = [model, *found.values(), *(long[:1] if long else ())]
    sheet = table.read(texts, numbers, max_bytes, label=found.get("label"))
    models, codes = _model_codes(sheet, model)
    examples = sheet.texts[found["id"]]
    count = len(examples.names)
    place = codes * count + examples.codes
    parts: list[tuple[str, Sequence[str] | NDArray[np.object_]]] = [
        ("model", [str(one) for one in models]),
        ("id", examples.names),
    ]
    size = len(models) * count
    if long:
        classes, at = long_places(sheet, long[0])
        place, size = place * len(classes.names) + at, size * len(classes.names)
        parts.append(("class", classes.names))
    elif classes is None:
        classes = Classes.in_order(sheet.numbers.shape[1])
    if size > 64 * sheet.rows:
        raise DataError(
            f"{table.path}: expected a row for each {Describe(sheet, parts).what}, got {sheet.rows} of {size}"
        )
    logits = scatter(sheet.numbers, place, size, Describe(sheet, parts)).reshape(len(models), count, len(classes.names))
    first = first_rows(examples.codes, count)
    check_constant(sheet, examples, found, first)
    return Answers(models, classes, logits, examples.names, sheet, found, first)


def _model_codes(sheet: Sheet, column: str) -> tuple[list[Model], NDArray[np.int64]]:
    texts = sheet.texts[column]
    parsed = [parse_model(name) for name in texts.names]
    if None in parsed:
        code = parsed.index(None)
        row = int(np.flatnonzero(texts.codes == code)[0])
        raise DataError(
            f"{sheet.where(row)}, column {column!r}: expected candidate, original, retrain-NUMBER or shadow-NUMBER, "
            f"got {texts.names[code][:60]!r}"
        )
    known = [one for one in parsed if one is not None]
    models = ordered(list(dict.fromkeys(known)), f"{sheet.path}, column {column!r}")
    place = {one: at for at, one in enumerate(models)}
    return models, np.array([place[one] for one in known], np.int64)[texts.codes]


def _wide_columns(table: Table, columns: Columns) -> dict[Model, dict[str, str]]:
    """Class columns of each model: class to column."""
    found: dict[Model, dict[str, str]] = {}
    taken = {columns.find(part, table.names) for part in DEFAULTS}
    for name in table.names:
        if name in taken:
            continue
        parsed = parse_column(name)
        if parsed is None:
            if re.fullmatch(r"(retrain|shadow)[-_ ]?[0-9]*", name):
                raise ConfigError(
                    f"{table.path}, column {name!r}: expected the number of the model and the class, as in "
                    "retrain_1_0; rename the columns"
                )
            continue
        model, of_class = parsed
        if columns.logits is not None and "*" in columns.logits:
            fits = matches(columns.logits, [of_class])
            if not fits:
                continue
            of_class = fits[of_class]
        if of_class in found.setdefault(model, {}):
            raise DataError(f"{table.path}: expected each class of {model} once, got {name!r} as well; rename it")
        found[model][of_class] = name
    return found


def _wide(table: Table, columns: Columns, wide: dict[Model, dict[str, str]], max_bytes: int) -> Answers:
    models = ordered(list(wide), str(table.path))
    classes = Classes.of(table.path, list(wide[models[0]]))
    numbers = []
    for model in models:
        names = list(wide[model])
        try:
            places = classes.places(table.path, names)
        except DataError as error:
            raise DataError(f"{error} (columns of {model})") from error
        numbers += [wide[model][names[at]] for at in np.argsort(places)]
    found = fact_columns(columns, table)
    sheet = table.read(list(found.values()), numbers, max_bytes, label=found.get("label"))
    count = len(classes.names)
    logits = scratch_array((len(models), sheet.rows, count), sheet.numbers.dtype)
    step = max(1, _STEP // (sheet.numbers.shape[1] * sheet.numbers.itemsize))
    for start in range(0, sheet.rows, step):
        part = sheet.numbers[start : start + step]
        logits[:, start : start + step] = part.reshape(len(part), len(models), count).swapaxes(0, 1)
    ids = unique_ids(sheet, found["id"]) if "id" in found else None
    return Answers(models, classes, logits, ids, sheet, found, None)
