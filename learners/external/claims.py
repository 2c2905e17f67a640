"""Tensors that a file describes: the description is checked against the bytes that are there before any is made."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vestige.learners.errors import DataError
from vestige.learners.external.archives import Archive
from vestige.learners.external.opcodes import Name
from vestige.learners.files.untrusted import shown

MOST_DIMENSIONS = 32
_LARGEST = 2**62

STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}


@dataclass(frozen=True)
class Storage:
    """Bytes of the archive that tensors are views of. size: in bytes."""

    member: str
    dtype: torch.dtype
    size: int


@dataclass(frozen=True)
class TensorClaim:
    """A tensor that lies within its storage. offset and stride: in elements."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def claim_storage(archive: Archive, identifier: Any, folder: str = "data") -> Storage:
    """What torch's identifier ``("storage", type, key, device, elements)`` stands for."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        raise DataError("expected tensors stored by torch.save, got an unknown identifier; save the model again")
    kind, key, elements = identifier[1], identifier[2], identifier[4]
    dtype = STORAGES.get(kind.name) if isinstance(kind, Name) else None
    if dtype is None or not isinstance(key, str) or not key.isalnum():
        raise DataError(f"expected plain tensors, got a storage {shown(kind)} {shown(key)}; save the model again")
    member = f"{folder}/{key}"
    size = archive.size(member)
    if not isinstance(elements, int) or elements * dtype.itemsize != size:
        there = "none" if size < 0 else f"{size:,} bytes"
        raise DataError(
            f"expected {shown(elements)} numbers of {dtype.itemsize} bytes in {member}, got {there}; copy it again"
        )
    return Storage(member, dtype, size)


def claim_tensor(storage: Any, offset: Any, shape: Any, stride: Any, dtype: torch.dtype | None = None) -> TensorClaim:
    """A view of a storage. Raises DataError where it reaches beyond the storage, or holds more numbers than that."""
    if not isinstance(storage, Storage) or not all(map(_sizes, (shape, stride, (offset,)))):
        raise DataError("expected tensors with sizes, strides and a storage, got something else; save the model again")
    dtype = dtype or storage.dtype
    elements = math.prod(shape)
    room = storage.size // dtype.itemsize
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=False)) + 1
    if len(shape) != len(stride) or len(shape) > MOST_DIMENSIONS or (elements and last > room) or elements > room:
        raise DataError(
            f"expected a tensor within its {room:,} stored numbers, got the shape {shown(list(shape))}; "
            "copy the file, or save the model again"
        )
    return TensorClaim(storage, dtype, offset, tuple(shape), tuple(stride))


def _sizes(values: Any) -> bool:
    return isinstance(values, (tuple, list)) and all(type(value) is int and 0 <= value < _LARGEST for value in values)


def call_of_torch(name: Name, arguments: tuple[Any, ...]) -> Any:
    """What the functions that rebuild tensors mean; other calls give their arguments, or nothing."""
    match (name.module, name.name, arguments):
        case ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor", (storage, offset, shape, stride, *_)):
            return claim_tensor(storage, offset, shape, stride)
        case ("torch._utils", "_rebuild_tensor_v3", (storage, offset, shape, stride, _, _, Name() as kind, *_)):
            dtype = getattr(torch, kind.name, None) if kind.module == "torch" else None
            if not isinstance(dtype, torch.dtype):
                raise DataError(f"expected a type of numbers, got {kind}; save the model again")
            return claim_tensor(storage, offset, shape, stride, dtype)
        case ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", (tensor, *_)):
            return tensor
        case ("collections", "OrderedDict", ()):
            return {}
        case ("torch", "Size", (sizes,)):
            return sizes
    return None


def tensor_maker(archive: Archive) -> Callable[[TensorClaim], Tensor]:
    """Makes tensors of ``archive`` from their claims; claims of one storage share it, as they did when saved."""
    if sys.byteorder != "little" or (archive.size("byteorder") == 3 and archive.read("byteorder") == b"big"):
        raise DataError("expected a file and a machine with the low byte first; save the model on such a machine")
    stores: dict[str, Tensor] = {}

    def make(claim: TensorClaim) -> Tensor:
        if claim.storage.size == 0:
            return torch.zeros(claim.shape, dtype=claim.dtype)
        if claim.storage.member not in stores:
            content = bytearray(archive.read(claim.storage.member))
            stores[claim.storage.member] = torch.frombuffer(content, dtype=torch.uint8)
        room = claim.storage.size // claim.dtype.itemsize * claim.dtype.itemsize
        return torch.as_strided(
            stores[claim.storage.member][:room].view(claim.dtype), claim.shape, claim.stride, claim.offset
        )

    return make
