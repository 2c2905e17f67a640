"""How alike two small images are, whatever their brightness and contrast: what stands behind near-duplicates."""

import numpy as np
from numpy.typing import NDArray

Greys = NDArray[np.float32]

SIDE = 32
"""Larger images are averaged down to so many pixels a side first."""
COARSE = 8
ORDER = 5
"""Cosine waves of an 8 x 8 thumbnail whose two orders sum to less, without the constant one: 14 numbers an image."""
FLAT = 2.0
"""Standard deviation, in grey levels, below which an image has too little in it to be recognised."""


def greys(images: NDArray[np.uint8]) -> Greys:
    """uint8 ``[n, height, width, channels]`` to float32 ``[n, h, w]``, the mean over channels, at most 32 a side."""
    grey = images.mean(axis=-1, dtype=np.float32)
    _, height, width = grey.shape
    return _averaged(grey, min(height, SIDE), min(width, SIDE))


def is_flat(grey: Greys) -> NDArray[np.bool_]:
    """Which of the images ``[n, h, w]`` have next to nothing in them."""
    flat: NDArray[np.bool_] = grey.std(axis=(1, 2)) < FLAT
    return flat


def moved(grey: Greys, mirrored: bool, down: int, right: int) -> Greys:
    """The images mirrored left to right and then moved by at most a pixel each way; the edge is repeated."""
    turned = grey[:, :, ::-1] if mirrored else grey
    _, height, width = grey.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    found: Greys = turned[:, rows][:, :, columns]
    return found


def signature(grey: Greys) -> Greys:
    """float32 ``[n, 14]``: the coarse waves of each image. Waves are scaled so that all 63 of a thumbnail have length
    1, so that the distance of two signatures never exceeds that of the thumbnails."""
    from scipy.fft import dctn

    thumbnails = _averaged(grey, COARSE, COARSE)
    waves = dctn(thumbnails, axes=(1, 2), norm="ortho").reshape(len(grey), -1)[:, 1:]
    length = np.linalg.norm(waves, axis=1, keepdims=True)
    orders = np.add.outer(np.arange(COARSE), np.arange(COARSE)).ravel()[1:]
    found: Greys = (waves / np.maximum(length, 1e-6))[:, orders < ORDER].astype(np.float32)
    return found


def similarity(first: Greys, second: Greys) -> NDArray[np.float64]:
    """Correlation of the pixel-to-pixel differences of two sets of images ``[n, h, w]``, pair by pair, in [-1, 1].

    The outermost pixels are left out: they are what a shift invents. Brightness and contrast cancel. Images of 16 or
    more a side are halved before: what scaling and compression change is mostly finer."""
    one, other = (_slopes(_halved(grey[:, 1:-1, 1:-1])) for grey in (first, second))
    product = np.einsum("ij,ij->i", one, other)
    length = np.sqrt(np.einsum("ij,ij->i", one, one) * np.einsum("ij,ij->i", other, other))
    found: NDArray[np.float64] = (product / np.maximum(length, 1e-9)).astype(np.float64)
    return found


def _halved(grey: Greys) -> Greys:
    _, height, width = grey.shape
    return grey if min(height, width) < COARSE * 2 - 2 else _averaged(grey, height // 2, width // 2)


def _slopes(grey: Greys) -> Greys:
    count = len(grey)
    steps = np.diff(grey, axis=1).reshape(count, -1), np.diff(grey, axis=2).reshape(count, -1)
    return np.concatenate(steps, axis=1)


def _averaged(grey: Greys, height: int, width: int) -> Greys:
    """Means over equal areas, fractions of pixels included; a smaller image is enlarged by repeating pixels."""
    if grey.shape[1:] == (height, width):
        return grey
    down, across = _areas(grey.shape[1], height), _areas(grey.shape[2], width)
    return np.asarray(np.matmul(np.matmul(down, grey), across.T), dtype=np.float32)


def _areas(pixels: int, cells: int) -> Greys:
    """``[cells, pixels]``: how much of each pixel belongs to each cell; rows sum to 1."""
    edges = np.arange(cells + 1) * pixels / cells
    start, end = np.arange(pixels), np.arange(1, pixels + 1)
    overlap = np.minimum(edges[1:, None], end) - np.maximum(edges[:-1, None], start)
    shares: Greys = (np.clip(overlap, 0, None) * cells / pixels).astype(np.float32)
    return shares
