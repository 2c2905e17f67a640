"""Fashion-MNIST from its IDX files, compressed or not."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import Part, as_labels, join
from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import readable

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_UNSIGNED_BYTE = 0x08  # the element type in an IDX header
_SIDE = 28
_DEFLATE_LIMIT = 1032  # no deflate stream grows by more, so a header that claims more is damaged


def load(folder: Path = DEBIAN_FOLDER, name: str = "fashion-mnist") -> Examples:
    """Images uint8 ``[70000, 28, 28, 1]``, of which the last 10,000 are the test part.

    folder: holds ``train-images-idx3-ubyte`` and its three companions, with or without ``.gz``.
    """
    return join(name, CLASS_NAMES, _part(folder, "train", name), _part(folder, "t10k", name))


def _part(folder: Path, part: str, name: str) -> Part:
    images = read_idx(_find(folder, f"{part}-images-idx3-ubyte"), dimensions=3)
    if images.shape[1:] != (_SIDE, _SIDE) or len(images) == 0:
        raise DataError(f"{name}: expected images of {_SIDE} x {_SIDE} pixels, got shape {list(images.shape)}")
    labels = read_idx(_find(folder, f"{part}-labels-idx1-ubyte"), dimensions=1)
    return images[..., None], as_labels(f"{name} ({part})", labels, len(images))


def _find(folder: Path, stem: str) -> Path:
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.is_file():
            return path
    raise DataError(
        f"fashion-mnist: expected {stem} or {stem}.gz in {folder}, got neither; install the Debian package "
        "dataset-fashion-mnist (apt install dataset-fashion-mnist), or give the folder as fashion-mnist:FOLDER"
    )


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file; what its header claims must be there exactly."""
    damage = readable("a whole IDX file", "fetch it again", OSError, EOFError, zlib.error, where=str(path))
    with damage, path.open("rb") as raw:
        if path.suffix != ".gz":
            return _read(path, raw, dimensions, path.stat().st_size)
        with gzip.open(raw) as stream:
            return _read(path, cast(BinaryIO, stream), dimensions, path.stat().st_size * _DEFLATE_LIMIT)


def _read(path: Path, stream: BinaryIO, dimensions: int, most: int) -> NDArray[np.uint8]:
    header = stream.read(4 + 4 * dimensions)
    if header[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise DataError(
            f"{path}: expected an IDX file of unsigned bytes with {dimensions} dimensions, "
            f"got one that begins with {header[:4].hex() or 'nothing'}"
        )
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(4, len(header), 4))
    size = math.prod(shape)
    data = stream.read(size + 1) if len(header) == 4 + 4 * dimensions and size <= most else b""
    if len(header) < 4 + 4 * dimensions or len(data) != size:
        raise DataError(
            f"{path}: expected {size} bytes after the header, as it says, got "
            f"{'more' if len(data) > size else 'fewer'}; fetch the file again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape).copy()
