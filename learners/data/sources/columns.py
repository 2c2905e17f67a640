"""Tables of encoded images with labels, as data-set hubs lay them out: which columns, what they hold, which classes."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from vestige.learners.arrays import Labels
from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.decode import decode_all
from vestige.learners.data.sources.parts import as_labels, examples_of
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.untrusted import Folder, as_names, first_names

IMAGE_COLUMNS = ("img", "image", "images")
LABEL_COLUMNS = ("label", "fine_label", "labels")


@dataclass(frozen=True)
class Shard:
    """One file of rows. rows: how many it claims to have; class_names: None where it has none; batches: the two
    columns, some rows at a time, each as an Arrow array."""

    file: Path
    rows: int
    class_names: tuple[str, ...] | None
    batches: Callable[[], Iterator[tuple[Any, Any]]]


def load_shards(name: str, train: Sequence[Shard], test: Sequence[Shard], folder: Folder | None = None) -> Examples:
    """Examples of the shards, in their order. folder: where images lie that are given by path, None to refuse these."""
    shards = [*train, *test]
    starts = np.cumsum([0, *(shard.rows for shard in shards)]).tolist()
    labels: list[Any] = []
    files: list[str | None] = []

    def where(row: int) -> str:
        shard = min(bisect_right(starts, row), len(shards)) - 1
        return f"{shards[shard].file}, row {row - starts[shard]}"

    def images() -> Iterator[bytes | Path]:
        for shard in shards:
            for image, label in shard.batches():
                labels.extend(label.to_pylist())
                yield from _encoded(image, files, where, folder)

    if not starts[-1]:
        raise DataError(f"{shards[0].file}: expected at least one row, got none")
    pixels = decode_all(images(), starts[-1], where)
    numbers, class_names = _numbers(name, labels, _names_of(shards), where)
    examples = examples_of(name, class_names, pixels, numbers, starts[len(train)])
    given = [file for file in files if file]
    return replace(examples, files=as_names(name, given)) if len(given) == len(examples) else examples


def choose(file: Path, names: Sequence[str], given: str | None, usual: Sequence[str], key: str) -> str:
    """The column called ``given``, or the first of the ``usual`` ones."""
    for name in usual if given is None else [given]:
        if list(names).count(name) == 1:
            return name
    wanted = f"one of {', '.join(usual)}" if given is None else repr(given)
    raise ConfigError(f"data.{key}: expected {wanted} in {file}, its columns are {', '.join(names)}; name one")


def checked(file: Path, schema: Any, image_column: str | None, label_column: str | None) -> tuple[str, str]:
    """Names of the image and the label column; refuses those of a type that holds neither."""
    image = choose(file, schema.names, image_column, IMAGE_COLUMNS, "image_column")
    label = choose(file, schema.names, label_column, LABEL_COLUMNS, "label_column")
    kind = schema.field(image).type
    if str(kind).startswith("struct<"):
        inner = {kind.field(i).name: str(kind.field(i).type) for i in range(kind.num_fields)}
        kind = inner.get("bytes", kind)
    if str(kind) not in ("binary", "large_binary"):
        raise DataError(
            f"{file}: expected column {image} to hold encoded images (binary, or struct with bytes), got {kind}"
        )
    return image, label


def names_in(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """Class names from the hub's own description in a schema; anything unexpected there means no names."""
    try:
        return names_among(json.loads((metadata or {})[b"huggingface"])["info"]["features"], label)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def names_among(features: Any, label: str) -> tuple[str, ...] | None:
    """Class names from a hub's description of its columns."""
    try:
        names = features[label]["names"]
    except (KeyError, TypeError):
        return None
    return tuple(as_names(label, list(map(str, names))).tolist()) if isinstance(names, list) and names else None


def _encoded(
    column: Any, files: list[str | None], where: Callable[[int], str], folder: Folder | None
) -> Iterator[bytes | Path]:
    paths = [None] * len(column)
    if str(column.type).startswith("struct<"):
        field = import_module("pyarrow.compute").struct_field
        inner = {column.type.field(i).name for i in range(column.type.num_fields)}
        if "path" in inner and str(column.type.field("path").type) in ("string", "large_string"):
            paths = field(column, "path").to_pylist()
        column = field(column, "bytes")
    for value, path in zip(column, paths, strict=True):
        row = len(files)
        files.append(path)
        if (data := value.as_py()) is not None:
            yield data
        elif folder is not None and path is not None:
            yield folder.file(path, where=where(row))
        else:
            raise DataError(f"{where(row)}: expected an encoded image, got none; write the images into the file")


def _names_of(shards: Sequence[Shard]) -> tuple[str, ...] | None:
    named = [shard for shard in shards if shard.class_names]
    for shard in named:
        if shard.class_names != named[0].class_names:
            got = first_names(shard.class_names or ())
            raise DataError(
                f"{shard.file}: expected the classes of {named[0].file} in the same order, got {got}; "
                "number the classes of all files alike"
            )
    return named[0].class_names if named else None


def _numbers(
    name: str, values: list[Any], class_names: tuple[str, ...] | None, where: Callable[[int], str]
) -> tuple[Labels, tuple[str, ...] | None]:
    if {type(value) for value in values} == {str}:
        return numbered_texts(name, values)
    most = len(class_names) if class_names else np.iinfo(np.int64).max
    for row, value in enumerate(values):
        if type(value) is not int or not 0 <= value < most:
            limits = f"0..{most - 1}" if class_names else "0 and up"
            raise DataError(f"{where(row)}: expected a label in {limits}, got {value!r}")
    return as_labels(name, values, len(values)), class_names


def numbered_texts(name: str, values: Sequence[str]) -> tuple[Labels, tuple[str, ...]]:
    """Labels that are text: numbers in sorted order, and the classes."""
    names = tuple(as_names(name, sorted(set(values))).tolist())
    number = {text: i for i, text in enumerate(names)}
    return np.array([number[text] for text in values], dtype=np.int64), names
