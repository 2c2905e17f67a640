"""Whether an Arrow stream is compressed, found out without unpacking any of it.

An Arrow reader allocates what a compressed buffer claims to unpack to, and tells nobody beforehand. So the one field of
a message that says it is compressed is read here. Layout: Apache Arrow, format/Message.fbs; FlatBuffers, internals.
"""

import struct
from importlib import import_module
from pathlib import Path
from typing import Any

_DICTIONARY, _BATCH = 2, 3  # kinds of message that have a body
_KIND, _HEADER = 1, 2  # fields of a message
_DATA = 1  # field of a dictionary that holds its batch
_COMPRESSION = 3  # field of a batch


def is_compressed(file: Path) -> bool:
    """Whether any batch or dictionary in the stream says that its body is compressed.

    Raises pyarrow's errors for what is no stream, and struct.error for a message whose offsets lead out of it.
    """
    arrow, ipc = import_module("pyarrow"), import_module("pyarrow.ipc")
    with arrow.memory_map(str(file)) as source:
        return any(_says_so(message.metadata.to_pybytes()) for message in ipc.MessageReader.open_stream(source))


def _says_so(message: bytes) -> bool:
    root = _table(message, 0)
    kind = _slot(message, root, _KIND)
    if not kind or message[root + kind] not in (_DICTIONARY, _BATCH):
        return False
    batch = _table(message, root + _slot(message, root, _HEADER))
    if message[root + kind] == _DICTIONARY:
        batch = _table(message, batch + _slot(message, batch, _DATA))
    return _slot(message, batch, _COMPRESSION) != 0


def _table(message: bytes, at: int) -> int:
    """Where the table lies that the offset at ``at`` points to."""
    return at + _number("<I", message, at)


def _slot(message: bytes, table: int, field: int) -> int:
    """Where a field lies within its table, 0 for a field that is not there."""
    directory = table - _number("<i", message, table)
    place = 4 + 2 * field
    return _number("<H", message, directory + place) if place < _number("<H", message, directory) else 0


def _number(kind: str, message: bytes, at: int) -> int:
    if at < 0:
        raise struct.error(f"offset {at}")
    found: Any = struct.unpack_from(kind, message, at)[0]
    return int(found)
