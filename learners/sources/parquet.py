"""Encoded images and labels in Parquet files, laid out as data-set hubs do."""

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learners._errors import ConfigError, DataError
from learners._examples import Examples
from learners.sources._decode import decode_all
from learners.sources._parts import as_labels, join

IMAGE_COLUMNS = ("img", "image", "images")
LABEL_COLUMNS = ("label", "fine_label", "labels")

_SHARD = re.compile(r"(train|test)(?:-(\d+)-of-(\d+))?(?:-[0-9a-f]+)?\.parquet")


@dataclass(frozen=True)
class _Columns:
    """The two columns of some files, file after file."""

    files: tuple[Path, ...]
    starts: tuple[int, ...]
    images: list[bytes]
    labels: list[Any]
    class_names: tuple[str, ...] | None

    def where(self, row: int) -> str:
        file = bisect_right(self.starts, row) - 1
        return f"{self.files[file]}, row {row - self.starts[file]}"


def load(path: Path, name: str, *, image_column: str | None = None, label_column: str | None = None) -> Examples:
    """A file (all of it training data), or a folder with train and perhaps test files.

    In a folder, in its ``data`` subfolder, or in one subfolder per part: ``train.parquet``, or all of
    ``train-00000-of-0000N.parquet``; likewise ``test``. Other parts (such as validation) are not read. The image column
    holds encoded images as binary or as struct {bytes, path}; labels are whole numbers, or text (numbered in sorted
    order). Class names come from the hub's metadata in the schema where there are any.
    """
    train, test = _files(path)
    columns = _read((*train, *test), image_column, label_column)
    pixels = decode_all(columns.images, columns.where)
    labels, class_names = _numbers(name, columns)
    cut = columns.starts[len(train)] if test else len(pixels)
    tested = (pixels[cut:], labels[cut:]) if test else None
    return join(name, class_names, (pixels[:cut], labels[:cut]), tested)


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    if path.is_file():
        return [path], []
    if not path.is_dir():
        raise DataError(f"{path}: expected a Parquet file or a folder of them, got nothing there; check the path")
    for folder in (path, path / "data"):
        train, test = (_shards(folder, part) for part in ("train", "test"))
        if train:
            return train, test
    raise DataError(
        f"{path}: expected train.parquet or train-00000-of-0000N.parquet there or in its data folder, found neither; "
        "give a file, or rename"
    )


def _shards(folder: Path, part: str) -> list[Path]:
    if (folder / part).is_dir():
        return sorted((folder / part).glob("*.parquet"))
    found = [(match, file) for file in sorted(folder.glob("*.parquet")) if (match := _SHARD.fullmatch(file.name))]
    mine = [(match[2], match[3], file) for match, file in found if match[1] == part]
    whole = [file for number, _, file in mine if number is None]
    numbers = [int(number) for number, _, _ in mine if number is not None]
    totals = {int(total) for _, total, _ in mine if total is not None}
    complete = not numbers or (len(totals) == 1 and numbers == list(range(totals.pop())))
    if len(whole) + bool(numbers) > 1 or not complete:
        names = ", ".join(file.name for _, _, file in mine)
        raise DataError(f"{folder}: expected one {part} file or all its numbered ones once, got {names}")
    return [file for _, _, file in mine]


def _read(files: Sequence[Path], image_column: str | None, label_column: str | None) -> _Columns:
    images: list[bytes] = []
    labels: list[Any] = []
    starts: list[int] = []
    class_names: tuple[str, ...] | None = None
    for file in files:
        starts.append(len(images))
        try:
            more_images, more_labels, names = _read_one(file, image_column, label_column)
        except UnicodeDecodeError as error:  # the reader hands text on unchecked
            raise _damaged(file, error) from error
        images += more_images
        labels += more_labels
        class_names = class_names or names
    if not images:
        raise DataError(f"{files[0]}: expected at least one row, got none")
    return _Columns(tuple(files), tuple(starts), images, labels, class_names)


def _read_one(
    file: Path, image_column: str | None, label_column: str | None
) -> tuple[list[bytes], list[Any], tuple[str, ...] | None]:
    schema, read = _open(file)
    image = _choose(file, schema.names, image_column, IMAGE_COLUMNS, "image_column")
    label = _choose(file, schema.names, label_column, LABEL_COLUMNS, "label_column")
    table = read([image, label])
    return (
        _bytes(file, image, table.column(image)),
        table.column(label).to_pylist(),
        _class_names(schema.metadata, label),
    )


def _open(file: Path) -> tuple[Any, Any]:
    """The schema, and a function from column names to a table."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            "data: expected pyarrow for a parquet source, it is not installed; run pip install 'vestige[parquet]'"
        ) from error

    def read(columns: list[str]) -> Any:
        try:
            return parquet.read_table(file, columns=columns, partitioning=None)
        except (arrow.ArrowException, OSError) as error:
            raise _damaged(file, error) from error

    try:
        return parquet.read_schema(file), read
    except (arrow.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(f"{file}: expected a whole Parquet file, could not be read ({error}); fetch it again")


def _choose(file: Path, names: list[str], given: str | None, usual: Sequence[str], key: str) -> str:
    for name in usual if given is None else [given]:
        if names.count(name) == 1:
            return name
    wanted = f"one of {', '.join(usual)}" if given is None else repr(given)
    raise ConfigError(f"data.{key}: expected {wanted} in {file}, its columns are {', '.join(names)}; name one")


def _bytes(file: Path, name: str, column: Any) -> list[bytes]:
    kind = str(column.type)
    if kind.startswith("struct<") and "bytes" in {column.type.field(i).name for i in range(column.type.num_fields)}:
        column = import_module("pyarrow.compute").struct_field(column, "bytes")
        kind = str(column.type)
    if kind not in ("binary", "large_binary"):
        raise DataError(
            f"{file}: expected column {name} to hold encoded images (binary, or struct with bytes), got {kind}"
        )
    values: list[bytes] = column.to_pylist()
    if None in values:
        raise DataError(f"{file}, row {values.index(None)}: expected an encoded image in column {name}, got none")  # type: ignore[arg-type]
    return values


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """From the hub's own description of the columns; anything unexpected there means no names."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def _numbers(name: str, columns: _Columns) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    values = columns.labels
    kinds = {type(value) for value in values}
    if kinds == {str}:
        names = tuple(sorted(set(values)))
        number = {text: i for i, text in enumerate(names)}
        return np.array([number[text] for text in values], dtype=np.int64), names
    most = len(columns.class_names) if columns.class_names else np.iinfo(np.int64).max
    for row, value in enumerate(values):
        if type(value) is not int or not 0 <= value < most:
            limits = f"0..{most - 1}" if columns.class_names else "0 and up"
            raise DataError(f"{columns.where(row)}: expected a label in {limits}, got {value!r}")
    return as_labels(name, values, len(values)), columns.class_names
