"""Protocol buffers on the wire: fields of a message, without copying and without a schema."""

from collections.abc import Iterator

from vestige.learners.errors import DataError

Field = tuple[int, int | memoryview]
"""Number and value of a field: an integer, or bytes."""


def fields(message: memoryview) -> Iterator[Field]:
    """All fields of ``message`` in order. Raises DataError where one reaches beyond it."""
    position = 0
    while position < len(message):
        key, position = _number(message, position)
        wire = key & 7
        if wire == 0:
            value, position = _number(message, position)
            yield key >> 3, value
            continue
        if wire == 2:
            length, position = _number(message, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise DataError("expected a protocol buffer, got a damaged one; copy the file again")
        if length > len(message) - position:
            raise DataError("expected a whole protocol buffer, got one that ends early; copy the file again")
        yield key >> 3, message[position : position + length]
        position += length


def numbers(value: int | memoryview) -> list[int]:
    """One number of a repeated field, or a packed run of them."""
    if isinstance(value, int):
        return [value]
    found, position = [], 0
    while position < len(value):
        number, position = _number(value, position)
        found.append(number)
    return found


def message(value: int | memoryview) -> memoryview:
    """A field that must hold bytes."""
    if isinstance(value, int):
        raise DataError("expected a message in a protocol buffer, got a number; copy the file again")
    return value


def words(value: int | memoryview) -> str:
    """A field that must hold text."""
    return bytes(message(value)).decode("utf-8", "replace")


def _number(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise DataError("expected a whole protocol buffer, got one that ends early; copy the file again")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise DataError("expected a protocol buffer, got a damaged one; copy the file again")
