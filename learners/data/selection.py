"""Which examples are meant: lists of indices, file names or people, and masks, as others write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vestige.learners.arrays import Indices, Mask
from vestige.learners.data.examples import Examples
from vestige.learners.data.file_names import rows_of_files
from vestige.learners.data.sampling import first_few
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.label_tables import Columns, is_whole_number, read_columns, read_lines
from vestige.learners.files.npz import read_npy
from vestige.learners.files.untrusted import first_names, shown, shown_path

Kind = Literal["index", "file", "mask", "subject"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "index": ("index",),
    "file": ("file", "filename", "file_name", "path"),
    "subject": ("subject", "subject_id", "person"),
    "mask": ("mask", "forget", "retain", "unseen"),
}
"""Kind of a selection to the column names that say so, in any case."""

_TRUE, _FALSE = ("1", "true"), ("0", "false")


@dataclass(frozen=True, eq=False)
class Selection:
    """Examples that somebody listed.

    indices: int64 ``[m]``, rising and distinct. kind: how they were called. subjects: the people, sorted, where they
    were called by person (indices are then all rows of theirs, in both parts), else None. description: where the list
    came from, for a sentence.
    """

    indices: Indices
    kind: Kind
    subjects: tuple[str, ...] | None
    description: str


def read_selection(path: Path, examples: Examples, *, column: str | None = None) -> Selection:
    """The examples that a file lists.

    ``.npy``: whole numbers, or bool ``[n]`` (a mask, over all examples or over the training part that comes first).
    ``.csv``, ``.tsv``, ``.parquet``: the one column that ``COLUMNS`` knows, or ``column``: a column's name, or
    ``KIND:NAME`` for one of another name. A mask beside a column of files or indices belongs to these; alone it has one
    row an example. Any other file: one entry a line, all whole numbers (indices) or file names. Indices count from 0
    over ``examples``. A file name matches exactly, or as the ending of one name only (``a/b.png`` for ``b.png``).
    Indices and files are listed once; people may repeat.
    Raises DataError for what is unreadable, unknown or ambiguous, ConfigError where the examples have no file names or
    people, or where the column is not clear.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet") and column is not None:
        raise ConfigError(f"column: expected one only beside a .csv, .tsv or .parquet, got {shown(column)!r}")
    if suffix == ".npz":
        raise DataError(
            f"{shown_path(path)}: expected .npy with one array, got an archive; save the array with numpy.save"
        )
    if suffix == ".npy":
        return _from_array(path, examples)
    if suffix in (".csv", ".tsv", ".parquet"):
        return _from_table(path, examples, column)
    return _from_lines(path, examples)


def _from_array(path: Path, examples: Examples) -> Selection:
    values = read_npy(path)
    if values.ndim != 1 or values.dtype.kind not in "iub":
        raise DataError(
            f"{shown_path(path)}: expected one-dimensional whole numbers, got {values.dtype} {list(values.shape)}; "
            "or a mask of bool"
        )
    if values.dtype.kind == "b":
        return _of_mask(path, examples, values.view(np.uint8) != 0)
    if values.dtype.kind == "u" and len(values) and int(values.max()) > np.iinfo(np.int64).max:
        raise DataError(f"{shown_path(path)}: expected indices, got {int(values.max())}")
    return _of_indices(path, examples, values.astype(np.int64))


def _from_lines(path: Path, examples: Examples) -> Selection:
    lines = read_lines(path)
    texts = [text for _, text in lines]
    if not texts:
        raise DataError(f"{shown_path(path)}: expected at least one index or file name, got none")
    odd = next((row for row, text in enumerate(texts) if not is_whole_number(text)), None)
    if odd is None:
        return _of_indices(path, examples, np.array([int(text) for text in texts], dtype=np.int64))
    if examples.files is None:
        raise DataError(
            f"{shown_path(path)}, line {lines[odd][0]}: expected an index such as 17, got {shown(texts[odd])!r}; "
            f"{examples.name} has no file names, and people are listed in a .csv with a column subject"
        )
    return _of_files(path, examples, texts)


def _from_table(path: Path, examples: Examples, column: str | None) -> Selection:
    table = read_columns(path, lambda header: _pick(path, header, column))
    kind = next(iter(table.names))
    texts = table.values[kind]
    rows = np.arange(len(texts))
    if kind == "mask":
        marked = _mask(table, texts)
        kind = next((key for key in ("index", "file") if key in table.names), "mask")
        if kind == "mask":
            return _of_mask(path, examples, marked)
        rows = np.flatnonzero(marked)
        texts = [table.values[kind][row] for row in rows]
    elif kind != "index":
        table.check_filled(kind)
    if kind == "index":
        return _of_indices(path, examples, _indices(table, texts, rows))
    return _of_files(path, examples, texts) if kind == "file" else _of_people(path, examples, texts)


def _pick(path: Path, header: Sequence[str], column: str | None) -> Mapping[str, str]:
    """Kind to column name: the one that is meant first, then what a mask belongs to."""
    found = [(kind, name) for name in header for kind, known in COLUMNS.items() if name.lower() in known]
    keys = {kind: name for kind, name in found if kind in ("index", "file")}
    if column is not None:
        wanted, _, own = column.partition(":")
        chosen = [(kind, name) for kind, name in found if name == column]
        if not chosen and own in header and wanted in COLUMNS:
            chosen = [(wanted, own)]
        if not chosen:
            raise ConfigError(
                f"column: expected a column of {shown_path(path)} ({first_names(header, 20)}), got {shown(column)!r}; "
                f"write KIND:NAME with one of {', '.join(COLUMNS)} where its name does not say what it holds"
            )
        return dict(chosen) | (keys if chosen[0][0] == "mask" else {})
    if not found:
        known = ", ".join(name for names in COLUMNS.values() for name in names)
        raise DataError(
            f"{shown_path(path)}: expected a column named index, file, subject or mask (or {known}), "
            f"got {first_names(header, 20)}; rename it, or name it as column"
        )
    if len(found) > 1:
        raise ConfigError(
            f"column: expected it to say which column of {shown_path(path)} is meant, as there are "
            f"{first_names([name for _, name in found], 20)}; "
            "name one (--forget-column NAME, or column in an audit file)"
        )
    return dict(found)


def _indices(table: Columns, texts: Sequence[str], rows: Sequence[int] | Indices) -> Indices:
    for row, text in zip(rows, texts, strict=True):
        if not is_whole_number(text):
            raise DataError(f"{table.where(row)}: expected an index such as 17, got {shown(text)!r}")
    return np.array([int(text) for text in texts], dtype=np.int64)


def _mask(table: Columns, texts: Sequence[str]) -> Mask:
    values = [text.lower() for text in texts]
    for row, text in enumerate(values):
        if text not in _TRUE and text not in _FALSE:
            raise DataError(f"{table.where(row)}: expected 0, 1, true or false as mask, got {shown(text)!r}")
    return np.array([text in _TRUE for text in values], dtype=np.bool_)


def _of_indices(path: Path, examples: Examples, chosen: Indices) -> Selection:
    if not len(chosen):
        raise DataError(f"{shown_path(path)}: expected at least one index, got none")
    outside = chosen[(chosen < 0) | (chosen >= len(examples))]
    if len(outside):
        raise DataError(
            f"{shown_path(path)}: expected indices in 0..{len(examples) - 1}, got {len(outside)} others "
            f"({first_few(outside)})"
        )
    distinct, times = np.unique(chosen, return_counts=True)
    if len(distinct) < len(chosen):
        raise DataError(
            f"{shown_path(path)}: expected each index once, got some more often ({first_few(distinct[times > 1])}); "
            "a mask is .npy of bool, or a column mask"
        )
    return Selection(distinct, "index", None, _listed(path))


def _of_mask(path: Path, examples: Examples, marked: Mask) -> Selection:
    cut = int(np.sum(~examples.test_part))
    if len(marked) == cut and not examples.test_part[:cut].any():
        marked = np.concatenate([marked, np.zeros(len(examples) - cut, dtype=np.bool_)])
    if len(marked) != len(examples):
        raise DataError(
            f"{shown_path(path)}: expected a mask of {len(examples)} entries, one an example of {examples.name}"
            f"{'' if cut == len(examples) else f', or {cut}, one a training example'}, got {len(marked)}"
        )
    if not marked.any():
        raise DataError(f"{shown_path(path)}: expected a mask that marks at least one example, got none")
    return Selection(np.flatnonzero(marked).astype(np.int64), "mask", None, _listed(path))


def _of_files(path: Path, examples: Examples, texts: Sequence[str]) -> Selection:
    rows = rows_of_files(path, examples, texts)
    return Selection(rows, "file", None, _listed(path))


def _of_people(path: Path, examples: Examples, texts: Sequence[str]) -> Selection:
    if examples.subjects is None:
        raise ConfigError(
            f"{shown_path(path)}: expected examples with data subjects, {examples.name} has none; list indices or file "
            "names, or read the images as imagecsv:TABLE with the columns file, label and subject"
        )
    wanted = sorted(set(texts))
    unknown = sorted(set(wanted) - set(examples.subjects.tolist()))
    if unknown:
        raise DataError(
            f"{shown_path(path)}: expected data subjects of {examples.name}, got {len(unknown)} that it does not have "
            f"({first_names(unknown)})"
        )
    rows = np.flatnonzero(np.isin(examples.subjects, np.array(wanted, dtype=np.str_))).astype(np.int64)
    return Selection(rows, "subject", tuple(wanted), _listed(path))


def _listed(path: Path) -> str:
    return f"listed in {shown(path.name)}"
