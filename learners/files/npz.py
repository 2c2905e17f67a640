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

from vestige.learners.errors import DataError
from vestige.learners.files.npy_header import check_letters, read_npy_header
from vestige.learners.files.untrusted import check_regular, most_bytes, one_line, shown, shown_path

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
    header = read_npy_header(stream, size)
    rest = size - header.start
    content = np.empty(rest, dtype=np.uint8)
    for at in range(0, rest, _BLOCK):
        block = stream.read(min(_BLOCK, rest - at))
        content[at : at + len(block)] = np.frombuffer(block, dtype=np.uint8)
        if len(block) < min(_BLOCK, rest - at):
            raise ValueError(f"{at + len(block)} bytes where {rest} should be; fetch it again")
    stream.read(1)  # reaches the end, where an archive's checksum is compared
    flat = content.view(header.dtype) if rest else np.zeros(math.prod(header.shape), header.dtype)
    check_letters(flat)
    return flat.reshape(header.shape[::-1]).T if header.fortran else flat.reshape(header.shape)
