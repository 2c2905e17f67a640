"""Arrays that may be larger than memory: on disk, in a file that has no name and is gone with the array."""

import errno
import math
import os
import tempfile

import numpy as np
from numpy.typing import DTypeLike

from vestige.learners.arrays import Array
from vestige.learners.errors import DataError

IN_MEMORY = 2**30
"""Bytes from which on an array lies on disk."""


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike, *, in_memory: int = IN_MEMORY) -> Array:
    """Zeros, in memory up to ``in_memory`` bytes; else mapped from a temporary file without a name.

    The file lies in the folder for temporary files (TMPDIR), needs its full size there from the start, so that a full
    disk is an error here (DataError) and not a crash later, and is removed by the system however the process ends.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= in_memory:
        return np.zeros(shape, dtype)
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise DataError(
            f"{folder}: expected room for {size / 2**30:.1f} GiB of logits, {error.strerror or error}; "
            "set TMPDIR to a folder on a larger disk"
        ) from error


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif os.statvfs(descriptor).f_bavail * os.statvfs(descriptor).f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
