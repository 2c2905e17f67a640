"""NumPy files: untrusted ones are read, every array judged by its header before a byte of it is allocated; and written
so that equal arrays give equal bytes."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from vestige.learners.arrays import Array
from vestige.learners.errors import DataError
from vestige.learners.files.npy_header import NpyHeader, check_letters, read_npy_header
from vestige.learners.files.scratch import scratch_array
from vestige.learners.files.untrusted import check_regular, most_bytes, readable, reason, shown, shown_path

MAP_FROM = 2**26
"""Bytes from which on an array that is not compressed is mapped from its file."""

# One date for all files (the earliest that a zip can hold), so that equal arrays give equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER = 30
_CHUNK = 2**24
_LARGE = 2**31 - 2**16
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


def read_npz(path: Path, known: Iterable[str]) -> dict[str, Array]:
    """The arrays of an ``.npz`` file by name, in memory, of which they may take half.

    known: names that it may hold. DataError, which begins with the path, for what ``open_archive``, ``read_headers``
    and ``read_arrays`` refuse."""
    check_regular(path)
    try:
        with open_archive(path) as archive:
            headers = read_headers(archive, known=known, max_bytes=most_bytes(), mapped=False)
            return read_arrays(archive, headers, map_from=None)
    except DataError as error:
        raise DataError(f"{shown_path(path)}: {error}") from error


def read_npy(path: Path) -> Array:
    """The array of an ``.npy`` file, without unpickling anything; DataError for anything else."""
    size = check_regular(path, largest=most_bytes())
    expected = "a NumPy array of plain numbers"
    with readable(expected, "save it with numpy.save", *_DAMAGED, where=shown_path(path)), path.open("rb") as stream:
        array = _filled(stream, read_npy_header(stream, size), np.empty)
        check_letters(array)
        return array


def open_archive(path: Path) -> zipfile.ZipFile:
    """The zip archive at ``path``, or a sentence on why it is none."""
    if not path.is_file():
        got = "a folder" if path.is_dir() else "a pipe or device" if path.exists() else "nothing"
        raise DataError(f"expected a NumPy archive (.npz), got {got}; check the path")
    try:
        return zipfile.ZipFile(path)
    except _DAMAGED as error:
        raise DataError(
            f"expected a NumPy archive as written by numpy.savez, got a truncated or different file ({reason(error)})"
        ) from error


def read_headers(
    archive: zipfile.ZipFile, *, known: Iterable[str], max_bytes: int, mapped: bool = True
) -> dict[str, NpyHeader]:
    """Headers of the arrays in ``archive`` by name; refuses unknown and repeated names, Python objects, a header that
    disagrees with the archive's directory, and more than ``max_bytes`` once unpacked. mapped: what is not compressed
    counts for nothing, as it is mapped, and no larger than the file."""
    headers: dict[str, NpyHeader] = {}
    total = 0
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name not in known:
            raise DataError(f"expected only the arrays {', '.join(known)}, got {shown(info.filename)!r}; remove it")
        if name in headers:
            raise DataError(f"expected one array {name}, got two; write the file again")
        headers[name] = _header(archive, info, name)
        total += 0 if mapped and info.compress_type == zipfile.ZIP_STORED else info.file_size
    if total > max_bytes:
        raise DataError(
            f"expected at most {max_bytes / 2**30:.3g} GiB once unpacked, got {total / 2**30:.3g} GiB; "
            f"{'save it uncompressed (numpy.savez), ' if mapped else ''}store a smaller type (float16 logits, uint8 "
            "images) or fewer examples"
        )
    return headers


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NpyHeader:
    try:
        with archive.open(info) as stream:
            return read_npy_header(stream, info.file_size)
    except _DAMAGED as error:
        raise DataError(f"expected an array of plain values as {name}, could not be read: {reason(error)}") from error


def read_arrays(
    archive: zipfile.ZipFile, headers: Mapping[str, NpyHeader], *, map_from: int | None = MAP_FROM
) -> dict[str, Array]:
    """The arrays behind ``headers``, without unpickling anything. Checksums are verified.

    An array of ``map_from`` bytes or more that is not compressed is mapped from the file and takes no memory; one that
    is compressed is unpacked, beyond what memory should hold into a temporary file. None: all of them lie in memory.
    """
    arrays: dict[str, Array] = {}
    for name, header in headers.items():
        info = archive.getinfo(f"{name}.npy")
        try:
            if map_from is not None and header.size >= map_from and info.compress_type == zipfile.ZIP_STORED:
                arrays[name] = _mapped(archive, info, header)
            else:
                with archive.open(info) as stream:
                    stream.read(header.start)
                    arrays[name] = _filled(stream, header, np.empty if map_from is None else scratch_array)
            check_letters(arrays[name])
        except _DAMAGED as error:
            raise DataError(f"expected a whole array {name}, got a damaged one ({reason(error)})") from error
    return arrays


def _mapped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: NpyHeader) -> Array:
    whole = np.memmap(str(archive.filename), np.uint8, "r", _content(archive, info), (info.file_size,))
    checksum = 0
    for start in range(0, len(whole), _CHUNK):
        checksum = zlib.crc32(whole[start : start + _CHUNK].data, checksum)
    if checksum != info.CRC:
        raise zipfile.BadZipFile("its checksum does not fit")
    flat = whole[header.start :].view(header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """Where the content of a stored member begins: after its own header, whose lengths the directory does not have."""
    with Path(str(archive.filename)).open("rb") as stream:
        stream.seek(info.header_offset)
        local = stream.read(_LOCAL_HEADER)
    name, extra = (int.from_bytes(local[place : place + 2], "little") for place in (26, 28))
    return info.header_offset + _LOCAL_HEADER + name + extra


def _filled(stream: IO[bytes], header: NpyHeader, make: Callable[[tuple[int, ...], np.dtype[Any]], Array]) -> Array:
    """The array whose bytes come next in ``stream``, which is read to its end: there an archive compares checksums."""
    array = make(header.shape[::-1] if header.fortran else header.shape, header.dtype)
    if header.size:
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, len(content), _CHUNK):
            wanted = min(_CHUNK, len(content) - start)
            part = stream.read(wanted)
            if len(part) < wanted:
                raise EOFError(f"{start + len(part)} bytes where {len(content)} should be; fetch it again")
            content[start : start + wanted] = np.frombuffer(part, np.uint8)
    stream.read(1)
    return array.T if header.fortran else array


def npz_bytes(arrays: Mapping[str, Array], *, comment: str = "") -> bytes:
    """An ``.npz`` of the arrays, uncompressed, that depends on nothing but names, types, shapes and values.

    comment: of the archive, at most 65,535 bytes; ``npz_comment`` reads it."""
    buffer = io.BytesIO()
    write_archive(buffer, arrays, comment=comment)
    return buffer.getvalue()


def npz_comment(path: Path) -> str:
    """The comment of an archive; DataError for another file."""
    with open_archive(path) as archive:
        return archive.comment.decode(errors="replace")


def write_archive(stream: BinaryIO, arrays: Mapping[str, Array], *, comment: str = "") -> None:
    """Write the ``.npz`` of ``npz_bytes`` into an open file, array by array."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = comment.encode()
        for name, values in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", _DATE)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            array = np.asarray(values)
            with archive.open(info, "w", force_zip64=array.nbytes > _LARGE) as member:
                _write_array(member, array)


def _write_array(member: IO[bytes], array: Array) -> None:
    """As NumPy's own, but for arrays that are mapped from a file: in blocks along the first axis."""
    descr = np.lib.format.dtype_to_descr(array.dtype)
    header = {"descr": descr, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(member, header)
    if not array.size:
        return
    flat = array.reshape(-1) if array.ndim == 0 or array.flags.c_contiguous else None
    if flat is not None:
        step = max(1, _CHUNK // max(1, array.itemsize))
        for start in range(0, len(flat), step):
            member.write(flat[start : start + step].tobytes())
        return
    for part in array:
        member.write(part.tobytes())
