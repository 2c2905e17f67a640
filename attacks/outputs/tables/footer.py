"""What the footer of a Parquet file claims about its column chunks, read here and not by pyarrow.

pyarrow 26 ends the whole process when it reads the metadata of a chunk that contradicts itself (an exception of
its C++ core that Python's side does not catch); its readers raise as they should. The footer is a Thrift structure in
the compact protocol; of all fields only four are kept. Source: Apache Thrift, thrift-compact-protocol.md; Apache
Parquet, parquet.thrift (FileMetaData 4, RowGroup 1, ColumnChunk 3, ColumnMetaData 2, 3, 5, 6).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vestige.learners.errors import DataError

DELTA_BYTE_ARRAY = 7
_LARGEST = 2**26
_DEEPEST = 32
_BOOLEAN, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 11, 12


@dataclass(frozen=True)
class Chunk:
    """One column of one row group. path: from the column down. values: how many. size: bytes once unpacked."""

    path: tuple[str, ...]
    values: int
    size: int
    encodings: tuple[int, ...]


def read_chunks(path: Path) -> list[Chunk]:
    """All column chunks that the footer lists; DataError when it cannot be read."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - 8))
        length = int.from_bytes(stream.read(4), "little")
        if length > min(_LARGEST, end - 8):
            raise DataError(f"{path}: expected a footer of at most {min(_LARGEST, end - 8)} bytes, got {length}")
        stream.seek(end - 8 - length)
        reader = _Reader(stream.read(length))
    try:
        groups = reader.struct(0).get(4, [])
        return [_chunk(column[3]) for group in groups for column in group[1]]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: expected a whole Parquet file, got a damaged footer ({error}); write it again"
        ) from error


def _chunk(fields: dict[int, Any]) -> Chunk:
    names = tuple(name.decode("utf-8") for name in fields[3])
    return Chunk(names, int(fields[5]), int(fields[6]), tuple(map(int, fields[2])))


class _Reader:
    """Thrift's compact protocol: structures as field number to value. Every step takes a byte, so it ends."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """The structure that begins here."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            fields[number] = kind == 1 if kind in _BOOLEAN else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._number())
        if kind in _LISTS:
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BYTE or kind in _BOOLEAN:  # An element of a list takes a byte even where it is a boolean.
            return self._byte()
        raise ValueError(f"a field of type {kind}" + (", a map" if kind == _MAP else ""))

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = self._number() if head >> 4 == 15 else head >> 4
        if count > len(self._data) - self._at or depth > _DEEPEST:
            raise ValueError("a list longer than the footer")
        return [self._value(head & 15, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("a text longer than the footer")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number beyond 64 bits")

    def _integer(self) -> int:
        number = self._number()
        return number >> 1 ^ -(number & 1)
