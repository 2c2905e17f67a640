"""Data sets that Hugging Face ``datasets`` saved to disk, read without that library."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.arrow_stream import is_compressed
from vestige.learners.data.sources.columns import Shard, checked, load_shards, names_among, names_in
from vestige.learners.errors import DataError
from vestige.learners.files.arrow import arrow_module, reading_arrow
from vestige.learners.files.untrusted import Folder, first_names, readable, shown

_LARGEST_JSON = 2**24  # bytes; names of 65,536 classes are a tenth of that


def load(path: Path, name: str, *, image_column: str | None = None, label_column: str | None = None) -> Examples:
    """What ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote: Arrow streams with descriptions in JSON.

    Of a dictionary of data sets, ``train`` is the training part, ``test`` the test part, and ``validation`` where there
    is no ``test``; others are not read. A single data set is all training part. Images are encoded bytes, or files
    inside the folder; labels are whole numbers (class names from ``dataset_info.json``) or text, numbered in sorted
    order. Columns as in a Parquet source. File names are the images' paths, where every image has one.
    """
    folder = Folder(path)
    if not (path / "dataset_dict.json").exists():
        if not (path / "state.json").exists():
            raise DataError(
                f"{path}: expected a folder that save_to_disk wrote (with dataset_dict.json, or with state.json), "
                "found neither; for Parquet files write parquet:PATH"
            )
        return load_shards(name, _shards(folder, "", image_column, label_column), [], folder)
    splits = _read(folder, "dataset_dict.json").get("splits")
    if not isinstance(splits, list) or not all(isinstance(split, str) for split in splits):
        raise DataError(f"{path}/dataset_dict.json: expected a list of splits, got {shown(repr(splits))}")
    if "train" not in splits:
        raise DataError(
            f"{path}: expected a split named train, got {first_names(splits) or 'none'}; "
            "give one of the folders as huggingface:PATH/SPLIT"
        )
    tested = next((split for split in ("test", "validation") if split in splits), None)
    train = _shards(folder, "train/", image_column, label_column)
    test = [] if tested is None else _shards(folder, f"{tested}/", image_column, label_column)
    return load_shards(name, train, test, folder)


def _read(folder: Folder, name: str) -> dict[str, Any]:
    path = folder.file(name)
    with readable(
        "JSON as save_to_disk writes it", "save it again", OSError, ValueError, RecursionError, where=str(path)
    ):
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError(f"more than {_LARGEST_JSON // 2**20} MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object as save_to_disk writes it, got {type(content).__name__}")
    return content


def _shards(folder: Folder, part: str, image_column: str | None, label_column: str | None) -> list[Shard]:
    where = f"{folder.root}/{part}state.json"
    state = _read(folder, f"{part}state.json")
    features = _read(folder, f"{part}dataset_info.json").get("features")
    if state.get("_indices_data_files"):
        raise DataError(
            f"{where}: expected rows in their own order, got a mapping of indices; "
            "save it again after flatten_indices()"
        )
    listed = state.get("_data_files")
    names = [entry["filename"] for entry in listed if _named(entry)] if isinstance(listed, list) else []
    if not isinstance(listed, list) or not names or len(names) < len(listed):
        raise DataError(f"{where}: expected the data files by name, got {shown(repr(listed))}; save the data set again")
    if len(set(names)) < len(names):
        raise DataError(f"{where}: expected each data file once, got {first_names(names)}")
    files = [folder.file(f"{part}{file}", where=where) for file in names]
    return [_open(file, features, image_column, label_column) for file in files]


def _named(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("filename"), str)


def _open(file: Path, features: Any, image_column: str | None, label_column: str | None) -> Shard:
    arrow, ipc = arrow_module("pyarrow", file), arrow_module("pyarrow.ipc", file)

    def read(columns: list[int]) -> Iterator[Any]:
        # Mapped, so that lengths which a damaged stream claims are compared with the file and never allocated.
        options = ipc.IpcReadOptions(included_fields=columns, use_threads=False)
        with arrow.memory_map(str(file)) as source, ipc.open_stream(source, options=options) as stream:
            yield from stream

    def batches() -> Iterator[tuple[Any, Any]]:
        with _reading(file):
            for batch in read(places):
                batch.validate(full=True)
                yield batch.column(image), batch.column(label)

    with _reading(file):
        with arrow.memory_map(str(file)) as source, ipc.open_stream(source) as stream:
            schema = stream.schema
        image, label = checked(file, schema, image_column, label_column)
        if is_compressed(file):
            raise DataError(f"{file}: expected a plain Arrow stream, got a compressed one; save it with save_to_disk")
        places = [schema.get_field_index(image), schema.get_field_index(label)]
        rows = sum(batch.num_rows for batch in read(places))
    return Shard(file, rows, names_among(features, label) or names_in(schema.metadata, label), batches)


def _reading(file: Path) -> AbstractContextManager[None]:
    return reading_arrow(file, "a whole Arrow stream", "save the data set again")
