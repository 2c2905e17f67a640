"""Encoded images to pixels."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from learners._errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")

_LARGEST_SIDE = 4096  # pixels; far beyond what a classifier is trained on, far below what exhausts memory


def decode_all(encoded: Sequence[bytes | Path], where: Callable[[int], str]) -> NDArray[np.uint8]:
    """Images uint8 ``[n, height, width, channels]`` of files or of their contents; all must have one size.

    Grey images have one channel, or three (equal) if any of the others is in colour. ``where(i)`` names image ``i`` in
    the DataError of one that is damaged or has another size. (One thread: more are slower at 32 x 32 pixels, where the
    interpreter takes longer than the decoder.)
    """
    images = [_decode(encoded[i], where, i) for i in range(len(encoded))]
    channels = max(image.shape[2] for image in images)
    pixels = np.empty((len(images), *images[0].shape[:2], channels), dtype=np.uint8)
    for i, image in enumerate(images):
        if image.shape[:2] != pixels.shape[1:3]:
            raise DataError(
                f"{where(i)}: expected {_size(pixels[0])} pixels as in {where(0)}, got {_size(image)}; "
                "resize all images to one size"
            )
        pixels[i] = image
    return pixels


def _decode(encoded: bytes | Path, where: Callable[[int], str], i: int) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS) as image:
            if max(image.size) > _LARGEST_SIDE:
                raise ValueError(f"{image.width} x {image.height} pixels, at most {_LARGEST_SIDE} a side are read")
            return _pixels(image)
    except Exception as error:  # damaged files make the decoders raise all kinds
        raise DataError(f"{where(i)}: expected an image ({', '.join(FORMATS)}), could not be read: {error}") from error


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
