"""The header of an untrusted NumPy array, judged before a byte of the array is allocated."""

import math
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from vestige.learners.arrays import Array
from vestige.learners.files.untrusted import reason

_LAST_LETTER = 0x10FFFF  # of Unicode
_BLOCK = 2**24


@dataclass(frozen=True)
class NpyHeader:
    """What an ``.npy`` says of itself. fortran: whether the first axis varies fastest. start: of the array's bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: IO[bytes], size: int) -> NpyHeader:
    """Header of the ``.npy`` of ``size`` bytes that ``stream`` is at the beginning of; ``stream`` is left where the
    array begins.

    Raises ValueError, a piece of a sentence, for what is no header, for Python objects, and for a header that claims
    more or fewer bytes than follow it.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy format {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        start = stream.tell()
    except Exception as error:  # the header is parsed as Python text, which may end in any error of its parser
        raise ValueError(f"damaged header ({reason(error)})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read; convert with .astype(str) or to numbers")
    if dtype.itemsize == 0 and 0 not in shape:  # NumPy would make room for values of a size that is not stated
        raise ValueError("it holds values of no size; write it again")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - start:
        raise ValueError(f"its header says {dtype} {list(shape)}, but {size - start} bytes follow; write it again")
    return NpyHeader(shape, dtype, fortran, start)


def check_letters(values: Array) -> None:
    """ValueError for text with letters beyond the last of Unicode, where Python's own texts end and NumPy crashes."""
    if values.dtype.kind != "U" or not values.size:
        return
    flat = values.reshape(-1)
    step = max(1, _BLOCK // values.itemsize)
    letters = np.dtype(np.uint32).newbyteorder(values.dtype.byteorder)
    for start in range(0, len(flat), step):
        part = np.ascontiguousarray(flat[start : start + step])
        if part.view(letters).max(initial=0) > _LAST_LETTER:
            raise ValueError("it holds text with letters beyond Unicode; write it again")
