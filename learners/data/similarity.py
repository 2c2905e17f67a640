"""How alike two small images are, whatever their brightness and contrast: what stands behind near-duplicates."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64

from vestige.learners.arrays import Array, Images, Mask

Greys: TypeAlias = Float32[Array, "n h w"]
"""Grey levels of images, at most ``SIDE`` pixels a side."""
_Other: TypeAlias = Float32[Array, "n _ _"]  # of the same images in another size

SIDE = 32
"""Larger images are averaged down to so many pixels a side first."""
COARSE = 8
ORDER = 5
"""Cosine waves of an 8 x 8 thumbnail whose two orders sum to less, without the constant one: 14 numbers an image."""
FLAT = 2.0
"""Standard deviation, in grey levels, below which an image has too little in it to be recognised."""


def greys(images: Images) -> Greys:
    """The mean over channels, at most 32 a side."""
    grey = images.mean(axis=-1, dtype=np.float32)
    _, height, width = grey.shape
    return _averaged(grey, min(height, SIDE), min(width, SIDE))


def is_flat(grey: Greys) -> Bool[Array, " n"]:
    """Which of the images have next to nothing in them."""
    flat: Mask = grey.std(axis=(1, 2)) < FLAT
    return flat


def moved(grey: Greys, mirrored: bool, down: int, right: int) -> Greys:
    """The images mirrored left to right and then moved by at most a pixel each way; the edge is repeated."""
    turned = grey[:, :, ::-1] if mirrored else grey
    _, height, width = grey.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return np.asarray(turned[:, rows][:, :, columns])


def signature(grey: Greys) -> Float32[Array, "n 14"]:
    """The coarse waves of each image. Waves are scaled so that all 63 of a thumbnail have length
    1, so that the distance of two signatures never exceeds that of the thumbnails."""

    from scipy.fft import dctn  # slow to import

    thumbnails = _averaged(grey, COARSE, COARSE)
    waves = dctn(thumbnails, axes=(1, 2), norm="ortho").reshape(len(grey), -1)[:, 1:]
    length = np.linalg.norm(waves, axis=1, keepdims=True)
    orders = np.add.outer(np.arange(COARSE), np.arange(COARSE)).ravel()[1:]
    return np.asarray((waves / np.maximum(length, 1e-6))[:, orders < ORDER], np.float32)


def similarity(first: Greys, second: Greys) -> Float64[Array, " n"]:
    """Correlation of the pixel-to-pixel differences of two sets of images, pair by pair, in [-1, 1].

    The outermost pixels are left out: they are what a shift invents. Brightness and contrast cancel. Images of 16 or
    more a side are halved before: what scaling and compression change is mostly finer."""
    left, right = (_slopes(_halved(grey[:, 1:-1, 1:-1])) for grey in (first, second))
    product = np.einsum("ij,ij->i", left, right)
    length = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
    return np.asarray(product / np.maximum(length, 1e-9), np.float64)


def _halved(grey: Greys) -> _Other:
    _, height, width = grey.shape
    return grey if min(height, width) < COARSE * 2 - 2 else _averaged(grey, height // 2, width // 2)


def _slopes(grey: Greys) -> Float32[Array, "n steps"]:
    count = len(grey)
    steps = np.diff(grey, axis=1).reshape(count, -1), np.diff(grey, axis=2).reshape(count, -1)
    return np.concatenate(steps, axis=1)


def _averaged(grey: Greys, height: int, width: int) -> _Other:
    """Means over equal areas, fractions of pixels included; a smaller image is enlarged by repeating pixels."""
    if grey.shape[1:] == (height, width):
        return grey
    down, across = _areas(grey.shape[1], height), _areas(grey.shape[2], width)
    return np.asarray(np.matmul(np.matmul(down, grey), across.T), dtype=np.float32)


def _areas(pixels: int, cells: int) -> Float32[Array, "cells pixels"]:
    """How much of each pixel belongs to each cell; rows sum to 1."""
    edges = np.arange(cells + 1) * pixels / cells
    start, end = np.arange(pixels), np.arange(1, pixels + 1)
    overlap = np.minimum(edges[1:, None], end) - np.maximum(edges[:-1, None], start)
    return np.asarray(np.clip(overlap, 0, None) * cells / pixels, np.float32)
