"""ONNX files looked through before a runtime sees them: operators, sizes of tensors, files that they refer to."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from vestige.learners.errors import DataError
from vestige.learners.external.protobuf import fields, message, numbers, words
from vestige.learners.files.untrusted import shown

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Operator sets of the standard. Others are a runtime's own, and some of those read files."""

MOST_DEPTH = 32
# onnx.TensorProto.DataType: bits of one element; text (8) has none.
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
_BITS |= {17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8}
# onnx.TensorProto: fields that hold the data, and bytes of one element where they are fixed.
_DATA = {4: 4, 5: 1, 7: 1, 9: 1, 10: 8, 11: 1}
_TEXTS = 6


@dataclass(frozen=True)
class External:
    """Bytes of another file that are a tensor's data."""

    name: str
    location: str
    offset: int
    length: int


@dataclass
class Contents:
    """What was found in the file."""

    external: list[External] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    graphs: int = 0


def look_through(content: bytes) -> Contents:
    """Everything in an ONNX file that is checked before it is loaded.

    Raises DataError for damage, operators outside of the standard's sets, and tensors whose sizes do not fit the data
    that is there.
    """
    found = Contents()
    with memoryview(content) as whole:
        for number, value in fields(whole):  # ModelProto
            if number == 7:
                _graph(message(value), found, 0)
            elif number == 25:
                _function(message(value), found)
            elif number == 20:
                raise DataError(
                    "expected a network for inference, got one with training steps; export it for inference"
                )
    if found.graphs == 0:
        raise DataError("expected an ONNX model, got a file without a graph; export it again")
    for domain, kind in sorted(found.operators - found.functions):
        if domain not in DOMAINS:
            raise DataError(
                f"expected operators of the ONNX standard, the model uses {shown(domain)}::{shown(kind)}, which is not "
                "run; export it without"
            )
    return found


def external_files(found: Contents, folder: Path) -> dict[str, bytes]:
    """The files that tensors refer to, whole, by the name that the model gives them.

    Raises DataError for one that does not lie in ``folder`` once links are followed, or is shorter than claimed."""
    files: dict[str, bytes] = {}
    for tensor in found.external:
        if tensor.location not in files:
            files[tensor.location] = _inside(folder, tensor.location).read_bytes()
        there = len(files[tensor.location])
        if tensor.offset + tensor.length > there:
            raise DataError(
                f"expected {tensor.length:,} bytes of {shown(tensor.name)} from byte {tensor.offset:,} of "
                f"{shown(tensor.location)}, it has {there:,}; copy the file again"
            )
    return files


def _inside(folder: Path, location: str) -> Path:
    root = folder.resolve()
    if location and "\0" not in location and "\\" not in location and not Path(location).is_absolute():
        path = (root / location).resolve()
        if path.is_relative_to(root):
            if path.is_file():
                return path
            raise DataError(
                f"expected the model's data in {shown(location)} beside it, got no such file; copy it there"
            )
    raise DataError(f"expected the model's data beside it, it refers to {shown(location)}; export it in one folder")


def _graph(graph: memoryview, found: Contents, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise DataError(f"expected at most {MOST_DEPTH} graphs in one another, got more; export the model again")
    found.graphs += 1
    for number, value in fields(graph):
        if number == 1:
            _node(message(value), found, depth)
        elif number == 5:
            _tensor(message(value), found)
        elif number == 15:
            _sparse(message(value), found)


def _function(function: memoryview, found: Contents) -> None:
    name = domain = ""
    for number, value in fields(function):
        if number == 1:
            name = words(value)
        elif number == 10:
            domain = words(value)
        elif number == 7:
            _node(message(value), found, 0)
    found.functions.add((domain, name))


def _node(node: memoryview, found: Contents, depth: int) -> None:
    kind = domain = ""
    for number, value in fields(node):
        if number == 4:
            kind = words(value)
        elif number == 7:
            domain = words(value)
        elif number == 5:
            for attribute, content in fields(message(value)):
                if attribute in (5, 10):
                    _tensor(message(content), found)
                elif attribute in (6, 11):
                    _graph(message(content), found, depth + 1)
                elif attribute in (22, 23):
                    _sparse(message(content), found)
    found.operators.add((domain, kind))


def _sparse(sparse: memoryview, found: Contents) -> None:
    raise DataError("expected dense tensors, got a sparse one; export the model with dense weights")


def _tensor(tensor: memoryview, found: Contents) -> None:
    dims: list[int] = []
    kind = data = 0
    name, outside = "", False
    entries: dict[str, str] = {}
    for number, value in fields(tensor):
        if number == 1:
            dims += numbers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = words(value)
        elif number == 13:
            key, entry = _entry(message(value))
            if key in entries:
                raise DataError(f"expected each entry once for {shown(name)}, got {shown(key)} twice; export it again")
            entries[key] = entry
        elif number == 14:
            outside = value == 1
        elif number in _DATA:
            data += _DATA[number] * 8 if isinstance(value, int) else len(value)
        elif number == _TEXTS:
            data += 1
    elements = math.prod(dims)
    if max(dims, default=0) >= 2**62 or elements >= 2**62:
        raise DataError(
            f"expected a size that a tensor can have, got {shown(dims)} for {shown(name)}; copy the file again"
        )
    if outside:
        _external(name, entries, elements * _bits(kind, name) // 8, found)
    elif kind == 8:
        _fits(name, elements, data)
    else:
        _fits(name, elements * _bits(kind, name) // 8, data * _widest(kind))


def _widest(kind: int) -> int:
    """Half and small integers may be written as varints of one byte or more: an upper bound of what these unpack to."""
    return max(1, _BITS.get(kind, 8) // 8)


def _bits(kind: int, name: str) -> int:
    if kind not in _BITS:
        raise DataError(f"expected a type of the ONNX standard, got {kind} for {shown(name)}; export the model again")
    return _BITS[kind]


def _fits(name: str, wanted: int, there: int) -> None:
    if wanted > there:
        raise DataError(
            f"expected {wanted:,} bytes of {shown(name)}, the file has {there:,} at most; copy the file again"
        )


def _entry(entry: memoryview) -> tuple[str, str]:
    found = {number: words(value) for number, value in fields(entry) if number in (1, 2)}
    return found.get(1, ""), found.get(2, "")


def _external(name: str, entries: dict[str, str], size: int, found: Contents) -> None:
    def whole(key: str, missing: int) -> int:
        value = entries.get(key, str(missing))
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise DataError(f"expected {key} as a number for {shown(name)}, got {shown(value)}; export the model again")
        return int(value)

    length = whole("length", size)
    if length != size:
        raise DataError(f"expected {size:,} bytes for {shown(name)}, the model claims {length:,}; export it again")
    found.external.append(External(name, entries.get("location", ""), whole("offset", 0), length))
