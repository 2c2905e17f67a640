"""The models in one table: a row per example and model, a row per number, or one row per example with all columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.outputs.tables.arrays import ArrayFile
from vestige.attacks.outputs.tables.classes import Classes
from vestige.attacks.outputs.tables.columns import DEFAULTS, LISTS, Columns, class_columns, listed, matches
from vestige.attacks.outputs.tables.facts import check_constant, fact_columns, first_rows
from vestige.attacks.outputs.tables.models import Model, ordered, parse_column, parse_model
from vestige.attacks.outputs.tables.places import Key, scatter
from vestige.attacks.outputs.tables.sheet import Numbers, Sheet, Table, unique_ids
from vestige.learners.arrays import Indices
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.scratch import scratch_array

_STEP = 2**24


@dataclass(frozen=True, eq=False)
class TableModels:
    """models: empty where the file is of one model, without a name. logits: ``[models, n, classes]``. sheet: one row
    per example, with what is known about it in the columns ``facts``."""

    models: Sequence[Model]
    classes: Classes
    logits: Numbers
    sheet: Sheet
    facts: dict[str, str]


def read_single(table: Table, columns: Columns, max_bytes: int) -> TableModels:
    """The file of all models, in whichever of the three layouts its columns show; ConfigError when they show none."""
    model = columns.find("model", table.names)
    if model is not None:
        return _rows(table, columns, max_bytes, model)
    wide = _wide_columns(table, columns)
    if not wide:
        raise ConfigError(
            f"{table.path}: expected a column model, or columns such as candidate_0 and retrain_1_0, got "
            f"{listed(table.names)}; name the column of models with --column model=COLUMN, or give a file per model"
        )
    return _wide(table, columns, wide, max_bytes)


def read_model(table: Table, columns: Columns, max_bytes: int) -> TableModels:
    """The file of one model: a column per class, a list column, an array, or a row per number."""
    return _rows(table, columns, max_bytes, None)


def _rows(table: Table, columns: Columns, max_bytes: int, model: str | None) -> TableModels:
    """model: the column that says which model a row is of; None where all rows are of one."""
    facts = fact_columns(columns, table)
    of_class, value = columns.find("class", table.names), columns.find("value", table.names)
    long = None if of_class is None or value is None else (of_class, value)
    if (long or model is not None) and "id" not in facts:
        raise ConfigError(
            f"{table.path}: expected a column id, as each example has several rows, got {listed(table.names)}; "
            "name it with --column id=COLUMN or add it"
        )
    numbers, classes = ([long[1]], None) if long else _number_columns(table, columns)
    name = model or columns.find("model", table.names)
    texts = [*([name] if name else ()), *facts.values(), *(long[:1] if long else ())]
    sheet = table.read(texts, numbers, max_bytes, label=facts.get("label"))
    keys = []
    models: list[Model] = []
    if model is not None:
        models, codes = _model_codes(sheet, model)
        keys.append(Key("model", list(map(str, models)), codes))
    elif name is not None:
        _check_one_model(sheet, name)
    if model is None and not long:
        if "id" in facts:
            unique_ids(sheet, facts["id"])
        return TableModels((), classes or Classes.in_order(sheet.numbers.shape[1]), sheet.numbers[None], sheet, facts)
    examples = sheet.texts[facts["id"]]
    keys.append(Key("id", examples.names, examples.codes))
    if long:
        classes, codes = _class_codes(sheet, long[0])
        keys.append(Key("class", classes.names, codes))
    classes = classes or Classes.in_order(sheet.numbers.shape[1])
    logits = scatter(sheet, keys).reshape(max(1, len(models)), len(examples.names), len(classes.names))
    first = first_rows(examples.codes, len(examples.names))
    check_constant(sheet, examples, facts, first)
    return TableModels(models, classes, logits, sheet.rows_at(first), facts)


def _number_columns(table: Table, columns: Columns) -> tuple[list[str], Classes | None]:
    """Columns with one number per class, in the order of the classes; a list column has no classes yet (None)."""
    listing = [columns.logits] if columns.logits is not None else LISTS
    lists = [name for name in table.lists if isinstance(table, ArrayFile) or name in listing]
    if lists:
        return lists[:1], None
    class_names = class_columns(columns, table.names)
    if len(class_names) < 2:
        wanted = columns.logits or "logit_0, logit_1, ... (or logits_, prob_, p_, class_, or the number alone)"
        raise ConfigError(
            f"{table.path}: expected columns {wanted} with one number per class, got {listed(table.names)}; "
            "name them with --column logits=PREFIX*"
        )
    classes = Classes.of(table.path, list(class_names.values()))
    return classes.sorted(table.path, class_names), classes


def _class_codes(sheet: Sheet, column: str) -> tuple[Classes, Indices]:
    """Classes named in a column, and the place of each row's."""
    texts = sheet.texts[column]
    if len(texts.names) < 2:
        raise DataError(f"{sheet.path}, column {column!r}: expected two classes or more, got {listed(texts.names)}")
    classes = Classes.of(sheet.path, list(texts.names))
    return classes, classes.places(sheet.path, list(texts.names))[texts.codes]


def _model_codes(sheet: Sheet, column: str) -> tuple[list[Model], Indices]:
    texts = sheet.texts[column]
    parsed = [parse_model(name) for name in texts.names]
    if None in parsed:
        code = parsed.index(None)
        row = int(np.flatnonzero(texts.codes == code)[0])
        raise DataError(
            f"{sheet.where(row)}, column {column!r}: expected candidate, original, retrain-NUMBER or shadow-NUMBER, "
            f"got {texts.names[code][:60]!r}"
        )
    known = [model for model in parsed if model is not None]
    models = ordered(list(dict.fromkeys(known)), f"{sheet.path}, column {column!r}")
    place = {model: at for at, model in enumerate(models)}
    return models, np.array([place[model] for model in known], np.int64)[texts.codes]


def _check_one_model(sheet: Sheet, column: str) -> None:
    names = sheet.texts[column].names
    if len(names) > 1:
        raise DataError(
            f"{sheet.path}, column {column!r}: expected one model in the file, got {len(names)} "
            f"({listed(names[:3])}); give a file with all models as the outputs"
        )


def _wide_columns(table: Table, columns: Columns) -> dict[Model, dict[str, str]]:
    """Class columns of each model: column to class."""
    wide: dict[Model, dict[str, str]] = {}
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
        if of_class in wide.setdefault(model, {}).values():
            raise DataError(f"{table.path}: expected each class of {model} once, got {name!r} as well; rename it")
        wide[model][name] = of_class
    return wide


def _wide(table: Table, columns: Columns, wide: dict[Model, dict[str, str]], max_bytes: int) -> TableModels:
    models = ordered(list(wide), str(table.path))
    classes = Classes.of(table.path, list(wide[models[0]].values()))
    numbers = []
    for model in models:
        try:
            numbers += classes.sorted(table.path, wide[model])
        except DataError as error:
            raise DataError(f"{error} (columns of {model})") from error
    facts = fact_columns(columns, table)
    sheet = table.read(list(facts.values()), numbers, max_bytes, label=facts.get("label"))
    count = len(classes.names)
    logits = scratch_array((len(models), sheet.rows, count), sheet.numbers.dtype)
    step = max(1, _STEP // (sheet.numbers.shape[1] * sheet.numbers.itemsize))
    for start in range(0, sheet.rows, step):
        rows = sheet.numbers[start : start + step]
        logits[:, start : start + step] = rows.reshape(len(rows), len(models), count).swapaxes(0, 1)
    if "id" in facts:
        unique_ids(sheet, facts["id"])
    return TableModels(models, classes, logits, sheet, facts)
