"""NumPy files from strangers: every array is judged by its header before a byte of it is allocated."""

import lzma
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from learners._errors import DataError
from learners.strangers import check_regular, most_bytes, one_line, shown, shown_path

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # a compression that Python does not know
    RuntimeError,  # an encrypted member
    MemoryError,
)
_MOST_MEMBERS = 1000
_BLOCK = 2**20
_LAST_LETTER = 0x10FFFF  # of Unicode


def read_npz(path: Path, *, most: int | None = None) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file by name, without unpickling anything.

    most: bytes that they may take together once unpacked, None for half of the memory. Raises DataError for what is no
    archive of plain arrays, for repeated names, and for headers that disagree with the archive's directory.
    """
    check_regular(path)
    limit = most_bytes() if most is None else most
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members, limit)
            found: dict[str, NDArray[Any]] = {}
            for member in members:
                with archive.open(member) as stream:
                    found[member.filename.removesuffix(".npy")] = _array(path, stream, member.file_size)
            return found
    except _DAMAGED as error:
        raise DataError(
            f"{shown_path(path)}: expected a NumPy archive of plain arrays (written by numpy.savez, without objects), "
            f"could not be read: {one_line(error)}"
        ) from error


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file, without unpickling anything; DataError for anything else."""
    size = check_regular(path, largest=most_bytes())
    try:
        with path.open("rb") as stream:
            return _array(path, stream, size)
    except _DAMAGED as error:
        raise DataError(
            f"{shown_path(path)}: expected a NumPy array of plain numbers, could not be read ({one_line(error)})"
        ) from error


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo], most: int) -> None:
    names = [member.filename for member in members]
    if len(names) > _MOST_MEMBERS or len(set(names)) < len(names):
        raise ValueError(f"it holds {len(names)} arrays, some of one name or too many")
    other = [name for name in names if not name.endswith(".npy")]
    if other:
        raise ValueError(f"it holds {shown(other[0])!r}, which is no array")
    total = sum(member.file_size for member in members)
    if total > most:
        raise DataError(
            f"{shown_path(path)}: expected at most {most / 2**30:.3g} GiB once unpacked (half of the memory here), "
            f"got {total / 2**30:.3g} GiB; store uint8 images, or fewer"
        )


def _array(path: Path, stream: IO[bytes], size: int) -> NDArray[Any]:
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy format {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        start = stream.tell()
    except _DAMAGED:
        raise
    except Exception as error:  # the header is parsed as Python text, which may end in any error of its parser
        raise ValueError(f"damaged header ({one_line(error)})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read; convert with .astype(str) or to numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - start:
        raise ValueError(f"its header says {dtype} {list(shape)}, but {size - start} bytes follow; write it again")
    content = np.empty(size - start, dtype=np.uint8)
    for at in range(0, size - start, _BLOCK):
        block = stream.read(min(_BLOCK, size - start - at))
        content[at : at + len(block)] = np.frombuffer(block, dtype=np.uint8)
        if len(block) < min(_BLOCK, size - start - at):
            raise ValueError(f"{at + len(block)} bytes where {size - start} should be; fetch it again")
    stream.read(1)  # reaches the end, where an archive's checksum is compared
    letters = np.dtype(np.uint32).newbyteorder(dtype.byteorder)
    if dtype.kind == "U" and content.view(letters).max(initial=0) > _LAST_LETTER:
        raise ValueError("it holds text with letters that no alphabet has; write it again")  # NumPy would crash on it
    flat = content.view(dtype) if len(content) else np.zeros(math.prod(shape), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
