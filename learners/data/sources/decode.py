"""Encoded images to pixels."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vestige.learners.arrays import Images
from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import check_regular, most_bytes, readable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")

_LARGEST_SIDE = 4096  # pixels; far beyond what a classifier is trained on, far below what exhausts memory
_LARGEST_FILE = 2**28  # bytes; four a sample are the most that a plain-text PPM of that side needs


def decode_all(encoded: Iterable[bytes | Path], count: int, where: Callable[[int], str]) -> Images:
    """``count`` images of files or of their contents; all must have one size.

    Grey images have one channel, or three (equal) if any of the others is in colour. ``where(i)`` names image ``i`` in
    the DataError of one that is damaged or has another size. They are taken one by one, so that no more than one is
    held encoded. (One thread: more are slower at 32 x 32 pixels, where the interpreter takes longer than the decoder.)
    """
    pixels = np.empty((0, 0, 0, 0), dtype=np.uint8)
    done = 0
    for i, content in enumerate(encoded):
        done = i + 1
        if done > count:
            break
        image = _decode(content, where, i)
        if i == 0:
            pixels = _room(count, image.shape, where)
        elif image.shape[:2] != pixels.shape[1:3]:
            raise DataError(
                f"{where(i)}: expected {_size(pixels[0])} pixels as in {where(0)}, got {_size(image)}; "
                "resize all images to one size"
            )
        elif image.shape[2] > pixels.shape[3]:
            colour = _room(count, image.shape, where)
            colour[:i] = pixels[:i]
            pixels = colour
        pixels[i] = image
    if done != count or count == 0:
        raise DataError(f"{where(0)}: expected {max(count, 1)} images, as the file says, got {done}; fetch it again")
    return pixels


def _room(count: int, shape: tuple[int, ...], where: Callable[[int], str]) -> Images:
    size, most = count * int(np.prod(shape, dtype=object)), most_bytes()
    if size > most:
        raise DataError(
            f"{where(0)}: expected at most {most / 2**30:.3g} GiB of pixels (half of the memory here), got {count} "
            f"images of {shape[1]} x {shape[0]} pixels, {size / 2**30:.3g} GiB; make the images smaller, or fewer"
        )
    return np.empty((count, *shape), dtype=np.uint8)


def _decode(encoded: bytes | Path, where: Callable[[int], str], i: int) -> NDArray[np.uint8]:
    if isinstance(encoded, Path):
        check_regular(encoded, largest=_LARGEST_FILE)
    source = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
    damage = readable(f"an image ({', '.join(FORMATS)})", "fetch or convert it again", where=where(i))
    with damage, Image.open(source, formats=FORMATS) as image:  # damaged files make the decoders raise all kinds
        if max(image.size) > _LARGEST_SIDE:
            raise ValueError(f"{image.width} x {image.height} pixels, at most {_LARGEST_SIDE} a side are read")
        return _pixels(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels have mode {image.mode}, only 8 bits a channel are read")
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))[..., None]
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            raise ValueError("it is partly transparent, remove its alpha channel")
        return np.array(opaque.convert("RGB"))[..., : 1 if image.mode == "LA" else 3]
    return np.array(image.convert("RGB"))


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
