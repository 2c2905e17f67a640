"""Encoded images and labels in Parquet files, laid out as data-set hubs do."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.columns import Shard, checked, load_shards, names_in
from vestige.learners.errors import DataError
from vestige.learners.files.arrow import arrow_module, reading_arrow
from vestige.learners.files.untrusted import Folder, check_regular

_SHARD = re.compile(r"(train|test)(?:-(\d+)-of-(\d+))?(?:-[0-9a-f]+)?\.parquet")
_BATCH = 64  # rows decoded at a time: what a dictionary-coded file repeats is held no more often


def load(path: Path, name: str, *, image_column: str | None = None, label_column: str | None = None) -> Examples:
    """A file (all of it training data), or a folder with train and perhaps test files.

    In a folder, in its ``data`` subfolder, in its only other subfolder (as hubs lay out one configuration), or in one
    subfolder per part: ``train.parquet``, or all of ``train-00000-of-0000N.parquet``; likewise ``test``. Other parts
    (such as validation) are not read. The image column holds encoded images as binary or as struct {bytes, path};
    labels are whole numbers, or text (numbered in sorted order). Class names come from the hub's metadata in the schema
    where there are any; file names from the paths, where every image has one.
    """
    train, test = _files(path)
    shards = [_open(file, image_column, label_column) for file in (*train, *test)]
    return load_shards(name, shards[: len(train)], shards[len(train) :])


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"{path}: expected a Parquet file or a folder of them, got nothing there; check the path")
        check_regular(path)
        return [path], []
    inside = Folder(path)
    only = [child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")]
    for folder in (path, path / "data", *(only if len(only) == 1 else ())):
        train, test = (_shards(folder, part) for part in ("train", "test"))
        if train:
            for file in (*train, *test):
                inside.file(file.relative_to(path).as_posix())
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
    complete = not numbers or (totals == {len(numbers)} and numbers == list(range(len(numbers))))
    if len(whole) + bool(numbers) > 1 or not complete:
        names = ", ".join(file.name for _, _, file in mine)
        raise DataError(f"{folder}: expected one {part} file or all its numbered ones once, got {names}")
    return [file for _, _, file in mine]


def _open(file: Path, image_column: str | None, label_column: str | None) -> Shard:
    parquet = arrow_module("pyarrow.parquet", file)

    def batches() -> Iterator[tuple[Any, Any]]:
        with _reading(file), parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=_BATCH, columns=[image, label]):
                batch.validate(full=True)
                yield batch.column(image), batch.column(label)

    with _reading(file), parquet.ParquetFile(file) as opened:
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
        image, label = checked(file, schema, image_column, label_column)
        return Shard(file, rows, names_in(schema.metadata, label), batches)


def _reading(file: Path) -> AbstractContextManager[None]:
    return reading_arrow(file, "a whole Parquet file", "fetch it again")
