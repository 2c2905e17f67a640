"""Digests and whole-or-absent files."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN or Infinity (those raise ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*parts: bytes | str | NDArray[Any]) -> str:
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


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` so that ``path`` is either whole or unchanged: temporary name, flush to disk, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
