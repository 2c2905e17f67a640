"""Untrusted Parquet files: judged by their footer before anything is decoded, then read batch by batch.

pyarrow is the optional extra ``vestige[parquet]``. Texts are read as dictionaries, so that one long text in many rows
stays one text; numbers keep their type (float16, float32, float64).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.footer import DELTA_BYTE_ARRAY, Chunk, read_chunks
from vestige.attacks.outputs.tables.sheet import (
    LONGEST_TEXT,
    Coder,
    Sheet,
    check_names,
    check_size,
    check_text,
    need_file,
    pandas,
)
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.scratch import scratch_array

_FLOATS = {"halffloat": np.float16, "float": np.float32, "double": np.float64}
_BATCH = 2**23
_ROWS = 2**16
_BUFFER = 2**16


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file whose footer is read. types: pyarrow's type of each column."""

    path: Path
    names: Sequence[str]
    lists: Sequence[str]
    types: Sequence[Any]
    rows: int

    @classmethod
    def open(cls, path: Path) -> "ParquetTable":
        """The file at ``path``; ConfigError without pyarrow, DataError when the footer cannot be that of a table."""
        need_file(path)
        with _file(path, ()) as file:
            try:
                schema, rows = file.schema_arrow, int(file.metadata.num_rows)
            except _errors() as error:
                raise _damaged(path, error) from error
        check_names(path, schema.names)
        if not rows:
            raise DataError(f"{path}: expected rows, got none")
        lists = [field.name for field in schema if _element(field.type) is not None]
        return cls(path, tuple(schema.names), lists, tuple(schema.types), rows)

    def read(self, texts: Sequence[str], numbers: Sequence[str], max_bytes: int, *, label: str | None = None) -> Sheet:
        """The columns; numbers as the widest of their types. Rows that claim more than ``max_bytes`` are refused."""
        types = dict(zip(self.names, self.types, strict=True))
        as_list = len(numbers) == 1 and numbers[0] in self.lists
        dtype = np.result_type(*(self._number_type(name, types[name]) for name in numbers)) if numbers else np.float16
        for name in texts:
            self._check_text_type(name, types[name], label=name == label)
        chunks = read_chunks(self.path)
        try:
            with _file(self.path, [name for name in texts if _is_text(types[name])]) as file:
                width = self._width(chunks, numbers[0]) if as_list else len(numbers)
                check_size(self.path, self.rows, max(width, 1), np.dtype(dtype).itemsize, max_bytes)
                self._check_claims(chunks, {*texts, *numbers}, max_bytes)
                coders = {name: Coder(self.rows) for name in texts}
                values = scratch_array((self.rows, width), dtype)
                size = max(1, min(_ROWS, _BATCH // (8 * max(width, 1))))
                read = 0
                for batch in file.iter_batches(size, columns=[*texts, *numbers], use_threads=False):
                    rows = values[read : read + len(batch)]
                    if len(rows) < len(batch):
                        raise DataError(f"{self.path}: expected {self.rows} rows as the footer says, got more")
                    held = dict(zip(batch.schema.names, batch.columns, strict=True))
                    for name in texts:
                        self._code(held[name], name, read, coders[name])
                    for place, name in enumerate(numbers):
                        self._fill(held[name], name, read, rows if as_list else rows[:, place])
                    read += len(batch)
        except _errors() as error:
            raise _damaged(self.path, error) from error
        if read != self.rows:
            raise DataError(f"{self.path}: expected {self.rows} rows as the footer says, got {read}; write it again")
        return Sheet(self.path, self.rows, {name: coder.texts() for name, coder in coders.items()}, values)

    def _number_type(self, name: str, kind: Any) -> Any:
        element = _element(kind)
        got = str(kind if element is None else element)
        if got not in _FLOATS:
            raise DataError(
                f"{self.path}, column {name!r}: expected float16, float32 or float64, got {kind}; cast it before saving"
            )
        return _FLOATS[got]

    def _check_text_type(self, name: str, kind: Any, *, label: bool) -> None:
        if not (_is_integer(kind) or _is_text(kind) or (label and str(kind) in _FLOATS)):
            raise DataError(
                f"{self.path}, column {name!r}: expected text or integers, got {kind}; save it as text"
                + (", as 007 read as a number has lost its zeros" if str(kind) in _FLOATS else "")
            )

    def _width(self, chunks: Sequence[Chunk], name: str) -> int:
        """Classes in a list column, by the number of values that its footer counts."""
        total = sum(chunk.values for chunk in chunks if chunk.path[0] == name)
        if total % self.rows or total <= 0:
            raise DataError(
                f"{self.path}, column {name!r}: expected lists of one length, got {total} values in {self.rows} rows"
            )
        return int(total // self.rows)

    def _check_claims(self, chunks: Sequence[Chunk], names: set[str], max_bytes: int) -> None:
        """Refuse chunks that say they unpack to more than could be needed."""
        for chunk in chunks:
            if chunk.path[0] not in names:
                continue
            if not 0 <= chunk.size <= max_bytes:
                raise DataError(
                    f"{self.path}, column {chunk.path[0]!r}: expected at most {max_bytes / 2**30:.3g} GiB in a row "
                    f"group, got {chunk.size / 2**30:.3g} GiB once unpacked; write smaller row groups"
                )
            if DELTA_BYTE_ARRAY in chunk.encodings:
                raise DataError(
                    f"{self.path}, column {chunk.path[0]!r}: expected plain or dictionary encoding of texts, got "
                    "DELTA_BYTE_ARRAY, in which few bytes can stand for many; write it with the defaults"
                )

    def _code(self, column: Any, name: str, row: int, coder: Coder) -> None:
        if column.null_count:
            raise self._empty(column, name, row)
        if not _is_text(column.type):
            codes, names = pandas().factorize(column.to_numpy(zero_copy_only=False), use_na_sentinel=False)
            coder.add_coded(codes, names.astype(str).astype(object))
            return
        codes, used = pandas().factorize(column.indices.to_numpy(zero_copy_only=False))
        compute, arrow = import_module("pyarrow.compute"), import_module("pyarrow")
        distinct = column.dictionary.take(arrow.array(used))
        if distinct.null_count:
            raise self._empty(distinct, name, row)
        longest = compute.max(compute.binary_length(distinct)).as_py()
        if longest <= 4 * LONGEST_TEXT:
            texts = np.array(distinct.to_pylist(), dtype=object)
            wrong = check_text(name, texts)
        else:
            texts, wrong = np.empty(0, object), (0, f"expected at most {LONGEST_TEXT} characters, got {longest} bytes")
        if wrong is not None:
            raise DataError(f"{self.path}, column {name!r}, from row {row + 1}: {wrong[1]}")
        coder.add_coded(codes, texts)

    def _fill(self, column: Any, name: str, row: int, out: NDArray[Any]) -> None:
        if column.null_count:
            raise self._empty(column, name, row)
        values = column
        if out.ndim == 2:
            values = column.flatten()
            lengths = import_module("pyarrow.compute").list_value_length(column).to_numpy(zero_copy_only=False)
            wrong = np.flatnonzero(lengths != out.shape[1])
            if len(wrong):
                raise DataError(
                    f"{self.path}, row {row + wrong[0] + 1}, column {name!r}: expected a list of {out.shape[1]} "
                    f"numbers as on average, got {lengths[wrong[0]]}"
                )
            if values.null_count:
                raise DataError(f"{self.path}, column {name!r}, from row {row + 1}: expected numbers, got a null")
        plain = values.to_numpy(zero_copy_only=False).reshape(out.shape)
        finite = np.isfinite(plain)
        if not finite.all():
            at = np.argwhere(~finite)[0]
            raise DataError(
                f"{self.path}, row {row + at[0] + 1}, column {name!r}: expected a finite number, "
                f"got {plain[tuple(at)]}; look at the model or the precision that made it"
            )
        out[:] = plain

    def _empty(self, column: Any, name: str, row: int) -> DataError:
        at = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        return DataError(f"{self.path}, row {row + at + 1}, column {name!r}: expected a value, got a null; fill it")


def _element(kind: Any) -> Any:
    """Type of the elements of a list type; None for others."""
    types = import_module("pyarrow").types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return kind.value_type
    return None


def _is_integer(kind: Any) -> bool:
    return bool(import_module("pyarrow").types.is_integer(kind))


def _is_text(kind: Any) -> bool:
    types = import_module("pyarrow").types
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner) or str(inner) == "string_view")


def _file(path: Path, dictionaries: Sequence[str]) -> Any:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            f"{path}: expected pyarrow to read Parquet, it is not installed; run pip install pyarrow"
        ) from error
    try:
        return parquet.ParquetFile(path, read_dictionary=list(dictionaries), buffer_size=_BUFFER, pre_buffer=False)
    except _errors() as error:
        raise _damaged(path, error) from error


def _errors() -> tuple[type[Exception], ...]:
    return (OSError, ValueError, KeyError, NotImplementedError, RuntimeError, import_module("pyarrow").ArrowException)


def _damaged(path: Path, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"{path}: expected a whole Parquet file, got a damaged one ({text}); write it again")
