"""Image files in a folder with a table of their labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Labels, Mask
from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.columns import numbered_texts
from vestige.learners.data.sources.decode import decode_all
from vestige.learners.data.sources.parts import examples_of, numbered
from vestige.learners.errors import DataError
from vestige.learners.files.label_tables import Columns, is_whole_number, read_columns
from vestige.learners.files.untrusted import Folder, as_names, first_names, shown, shown_path

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "filename", "file_name", "path", "image"),
    "label": ("label", "class"),
    "part": ("part", "split"),
    "subject": ("subject", "subject_id", "person"),
    "group": ("group",),
}
_REQUIRED = ("file", "label")


def load(path: Path, name: str) -> Examples:
    """A ``.csv`` (``.tsv``, ``.parquet``) with one row an image: ``file`` below the table's folder, ``label``, and if
    wanted ``part`` (train or test), ``subject``, ``group``; see ``COLUMNS`` for other names of these columns.

    Training rows come first, each part in the table's order. Labels are all whole numbers from 0, or all text, numbered
    in sorted order. Absolute names, ``..``, links that lead out of the folder, anything but regular files, and a file
    that is listed twice are refused.
    """
    table = read_columns(path, lambda header: _pick(path, header))
    for role in table.values:
        table.check_filled(role)
    tested = _parts(table)
    order = np.argsort(tested, kind="stable")
    given = {role: [texts[row] for row in order] for role, texts in table.values.items()}
    folder = Folder(path.parent)
    files = [folder.file(file, where=table.where(row)) for file, row in zip(given["file"], order, strict=True)]
    names = [PurePosixPath(file).as_posix() for file in given["file"]]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{shown_path(path)}: expected each file once, got {len(twice)} again ({first_names(twice)})")
    labels, class_names = _labels(name, table, given["label"], order)
    pixels = decode_all(files, len(files), lambda i: table.where(order[min(i, len(order) - 1)]))
    if tested.all():
        raise DataError(f"{shown_path(path)}: expected at least one training image, got test images only")
    examples = examples_of(name, class_names, pixels, labels, int((~tested).sum()))
    words = {role: as_names(f"{name} ({role})", given[role]) for role in ("subject", "group") if role in given}
    return replace(examples, files=as_names(name, names), subjects=words.get("subject"), groups=words.get("group"))


def _pick(path: Path, header: Sequence[str]) -> Mapping[str, str]:
    found = {role: [name for name in header if name.lower() in known] for role, known in COLUMNS.items()}
    for role, names in found.items():
        if len(names) > 1 or (not names and role in _REQUIRED):
            raise DataError(
                f"{shown_path(path)}: expected one column for the {role} ({', '.join(COLUMNS[role])}), "
                f"got {first_names(names) if names else 'none among ' + first_names(header, 20)}; rename the columns"
            )
    return {role: names[0] for role, names in found.items() if names}


def _parts(table: Columns) -> Mask:
    texts = table.values.get("part", ["train"] * len(table))
    for row, text in enumerate(texts):
        if text.lower() not in ("train", "test"):
            raise DataError(
                f"{table.where(row)}: expected train or test as part, got {shown(text)!r}; leave others out"
            )
    return np.array([text.lower() == "test" for text in texts], dtype=np.bool_)


def _labels(name: str, table: Columns, texts: Sequence[str], order: NDArray[np.intp]) -> tuple[Labels, tuple[str, ...]]:
    digits = list(map(is_whole_number, texts))
    if not all(digits):
        mixed = any(digits)
        odd = next((i for i, text in enumerate(texts) if not digits[i] and (mixed or _is_number(text))), None)
        if odd is not None:
            raise DataError(
                f"{table.where(order[odd])}: expected labels that are all whole numbers from 0 or all text, "
                f"got {shown(texts[odd])!r} among others; name or number all classes"
            )
        return numbered_texts(name, texts)
    labels = np.array([int(text) for text in texts], dtype=np.int64)
    return labels, numbered(name, labels)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
