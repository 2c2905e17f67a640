"""Outputs of models from tables: CSV, TSV and Parquet files, one for all models or one for each (NumPy files too)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs import checks
from vestige.attacks.outputs.outputs import MAX_BYTES, Outputs
from vestige.attacks.outputs.tables.arrays import ArrayFile
from vestige.attacks.outputs.tables.classes import Classes
from vestige.attacks.outputs.tables.columns import DEFAULTS, Columns, RoleNames, listed
from vestige.attacks.outputs.tables.csv import CsvTable
from vestige.attacks.outputs.tables.facts import Facts, read_facts
from vestige.attacks.outputs.tables.kinds import file_kind
from vestige.attacks.outputs.tables.layouts import read_model, read_single
from vestige.attacks.outputs.tables.parquet import ParquetTable
from vestige.attacks.outputs.tables.places import put
from vestige.attacks.outputs.tables.sheet import Numbers, Table
from vestige.learners.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """outputs: one file with all models; or candidate, original, retrain and shadow: one file for each model. examples:
    a file with label, role, group, subject or id, where those files do not have them. ConfigError for a mixture."""

    outputs: Path | None = None
    candidate: Path | None = None
    original: Path | None = None
    retrain: Sequence[Path] = ()
    shadow: Sequence[Path] = ()
    examples: Path | None = None

    def __post_init__(self) -> None:
        others = bool(self.original or self.retrain or self.shadow)
        if (self.outputs is None) == (self.candidate is None) or (self.outputs is not None and others):
            raise ConfigError(
                "tables: expected one file with all models, or a candidate and a file for each other model; "
                "give one of the two"
            )
        paths = [path for path in (self.candidate, self.original, *self.retrain, *self.shadow) if path is not None]
        twice = [path for path in paths if paths.count(path) > 1]
        if twice:
            raise ConfigError(f"tables: expected a file of its own for each model, got {twice[0]} twice")

    @property
    def main(self) -> Path:
        """The file that the candidate is in."""
        main = self.outputs or self.candidate
        assert main is not None  # __post_init__ has seen to it.
        return main

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(path for path in (self.main, self.original, *self.retrain, *self.shadow, self.examples) if path)


def read_tables(
    source: TableFiles,
    columns: Columns | None = None,
    *,
    roles: RoleNames | None = None,
    probabilities: bool = False,
    without_retrains: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Outputs:
    """Outputs from tables, in one of four layouts (docs/outputs.md has an example of each).

    One file: (1) a row per example and model, with the columns model, id and one per class; (2) a row per example, with
    columns such as ``candidate_0`` and ``retrain_1_0``; (3) a row per example, model and class, with model, id, class
    and value. Several files: (4) one per model, each with one column per class, a list column (Parquet), id, class and
    value, or as NumPy file. They are matched by id where they have ids, else row by row. label and role (and group,
    subject) may stand in any of them or in the examples file; where two have one, they must agree. Ids stay the texts
    that the file holds. Examples come in the order of the first file, which is the examples file if there is one.

    columns: names of columns that differ from the usual ones. roles: how the file calls forget, unseen and retain.
    probabilities, without_retrains: see ``Outputs.from_arrays``. max_bytes: limit on the numbers of one file, and on
    all. CSV gives float64; Parquet and NumPy files keep float16 to float64 as ``Outputs`` does.
    Numbers beyond 1 GiB are kept on disk (``learners.scratch_array``).
    ConfigError for columns that are not there, DataError for any fault of a file; both name the file, and the line or
    row and the column where there is one.
    """
    columns, roles = columns or Columns(), roles or RoleNames()
    if source.outputs is not None:
        arrays, sources = _from_single(source.outputs, source.examples, columns, roles, max_bytes)
    else:
        arrays, sources = _from_several(source, columns, roles, max_bytes)
    try:
        if not probabilities:
            checks.check_not_probabilities(arrays)
        return Outputs.from_arrays(arrays, probabilities=probabilities, without_retrains=without_retrains)
    except DataError as error:
        hint = (
            " (--role NAME=unseen says what a role is called)"
            if str(error).startswith("role: expected forget,")
            else ""
        )
        part = str(error).partition(":")[0].removesuffix("s")  # such as labels
        raise DataError(f"{sources.get(part, source.main)}: {error}{hint}") from error


def _open(path: Path | str, columns: Columns, max_bytes: int, *, arrays: bool) -> Table:
    path = Path(path)
    kind = file_kind(path)
    if kind == "parquet":
        return ParquetTable.open(path)
    if kind in ("csv", "tsv"):
        return CsvTable.open(path, tab=kind == "tsv")
    if kind is not None and arrays:
        return ArrayFile.open(path, columns, max_bytes=max_bytes)
    known = "a table (.csv, .tsv, .csv.gz, .parquet)" + (" or a NumPy file (.npz, .npy)" if arrays else "")
    raise DataError(f"{path}: expected {known}, got another file; check its name")


def _from_single(
    path: Path, examples: Path | None, columns: Columns, roles: RoleNames, max_bytes: int
) -> tuple[dict[str, NDArray[Any]], Mapping[str, str]]:
    """The arrays, and which file each fact came from."""
    table = _open(path, columns, max_bytes, arrays=False)
    tables = [table] + ([_open(examples, columns, max_bytes, arrays=True)] if examples is not None else [])
    _check_columns(tables, columns)
    models = read_single(table, columns, max_bytes)
    facts = Facts.of(models.sheet, models.facts, roles)
    facts.add(models.sheet, models.facts, models.classes)
    for other in tables[1:]:
        facts.add(*read_facts(columns, other, max_bytes), models.classes)
    arrays: dict[str, NDArray[Any]] = {}
    for kind in checks.LOGITS:
        at = [place for place, model in enumerate(models.models) if model.kind == kind]
        if at:
            arrays[kind] = models.logits[at[0] : at[-1] + 1] if kind in ("retrain", "shadow") else models.logits[at[0]]
    return arrays | _texts(facts, tables, max_bytes), facts.source


def _from_several(
    source: TableFiles, columns: Columns, roles: RoleNames, max_bytes: int
) -> tuple[dict[str, NDArray[Any]], Mapping[str, str]]:
    """As ``_from_single``."""
    assert source.candidate is not None  # TableFiles has seen to it.
    files: list[tuple[str, Sequence[Path]]] = [("candidate", [source.candidate])]
    files += [("original", [source.original])] if source.original is not None else []
    files += [("retrain", source.retrain), ("shadow", source.shadow)]
    opened = [(kind, [_open(path, columns, max_bytes, arrays=True) for path in paths]) for kind, paths in files]
    examples = _open(source.examples, columns, max_bytes, arrays=True) if source.examples is not None else None
    tables = [*([examples] if examples else []), *(table for _, several in opened for table in several)]
    _check_columns(tables, columns)
    classes: Classes | None = None
    facts: Facts | None = None
    arrays: dict[str, NDArray[Any]] = {}
    held = 0
    for kind, several in opened:
        stack: Numbers | None = None
        for at, table in enumerate(several):
            model = read_model(table, columns, max_bytes)
            classes = classes or model.classes
            order = classes.order_in(table.path, model.classes)
            if facts is None and examples is not None:
                first = read_facts(columns, examples, max_bytes)
                facts = Facts.of(*first, roles)
                facts.add(*first, classes)
            facts = facts or Facts.of(model.sheet, model.facts, roles)
            rows = facts.add(model.sheet, model.facts, classes)
            held += model.logits.nbytes
            if held > max_bytes:
                raise DataError(
                    f"{table.path}: expected at most {max_bytes / 2**30:.3g} GiB of numbers in all files, got more; "
                    "audit fewer examples or store float16 in Parquet"
                )
            stack = put(stack, at, len(several), model.logits[0], rows, order)
        if stack is not None:
            arrays[kind] = stack if kind in ("retrain", "shadow") else stack[0]
    assert facts is not None
    return arrays | _texts(facts, tables, max_bytes), facts.source


def _check_columns(tables: Sequence[Table], columns: Columns) -> None:
    """Refuse named columns that no table has, and tables without label or role, before any number is read."""
    columns.check_given([table.names for table in tables])
    for part in ("label", "role"):
        if not any(columns.find(part, table.names) for table in tables):
            every = list(dict.fromkeys(name for table in tables for name in table.names))
            raise ConfigError(
                f"{tables[0].path}: expected a column {' or '.join(DEFAULTS[part])}, got {listed(every)}; "
                f"name it with --column {part}=COLUMN, or give a file of examples that has it"
            )


def _texts(facts: Facts, tables: Sequence[Table], max_bytes: int) -> dict[str, NDArray[Any]]:
    """labels, and the texts as ``Outputs`` holds them: in cells of the longest one's length, hence the limit."""
    facts.check_roles_used(str(tables[0].path))
    arrays: dict[str, NDArray[Any]] = {"labels": facts.held["label"]}
    texts = {name: values for name, values in facts.held.items() if name != "label"}
    if facts.ids is not None:
        texts["id"] = facts.ids
    for name, values in texts.items():
        longest = max(map(len, values))
        if 4 * longest * len(values) > max_bytes:
            raise DataError(
                f"{tables[0].path}, {name}: expected at most {max_bytes / 2**30:.3g} GiB of texts, got "
                f"{len(values)} of up to {longest} characters; shorten them"
            )
        arrays[name] = values.astype(np.str_)
    return arrays
