"""Digests and whole-or-absent files."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vestige.learners.arrays import Array
from vestige.learners.errors import DataError


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN or Infinity (those raise ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*parts: bytes | str | Array) -> str:
    """SHA-256 (hexadecimal) of the parts, each preceded by its length so that no two lists collide.

    An array counts as its bytes in C order; one that is mapped is read without being copied."""
    sha = hashlib.sha256()
    for part in parts:
        data: bytes | memoryview
        if isinstance(part, np.ndarray):
            data = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        else:
            data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


def digest_file(path: Path) -> str:
    """``digest`` of a file's content, which may be larger than memory."""
    size = path.stat().st_size
    return digest(np.memmap(path, np.uint8, "r") if size else b"")


def read_bounded(path: Path, most: int, what: str) -> bytes:
    """The bytes of a plain file that holds at most ``most`` of them.

    DataError (expected ``what``) for anything else: a device or pipe may never end, and a size may be a lie."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(None, "a folder, pipe or device")
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(f"{path}: expected {what}, got {reason}; check the path") from None
    if len(content) > most:
        raise DataError(f"{path}: expected {what} of at most {most / 2**20:g} MiB, got more; give another file")
    return content


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` so that ``path`` is either whole or unchanged: temporary name, flush to disk, rename.

    OSError names ``path``, whatever was being done to get there."""
    write_together({path: data}, mode=mode)


def write_streamed(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """``write_atomically`` of what ``write`` puts into an open file: for content that is larger than memory."""
    write_together({path: write})


def write_together(contents: Mapping[Path, bytes | Callable[[BinaryIO], None]], *, mode: int = 0o644) -> None:
    """``write_atomically`` or ``write_streamed`` for files that belong together: none changes before all of them are on
    the disk."""
    temporaries: dict[Path, str] = {}
    try:
        for path, content in contents.items():
            with _naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                # A short prefix: with the whole of a long name the temporary one could be too long.
                prefix = f".{os.fsencode(path.name)[:60].decode(errors='ignore')}."
                handle, temporaries[path] = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".part")
                with os.fdopen(handle, "w+b") as stream:
                    if callable(content):
                        content(stream)
                    else:
                        stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.chmod(temporaries[path], mode)
        for path in contents:
            with _naming(path):
                os.replace(temporaries[path], path)
    except BaseException:
        for temporary in temporaries.values():
            Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error
