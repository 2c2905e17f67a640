"""Crop, mirror and normalise by one gather against the same with Pillow, image by image.

python -m benchmarks.augmentation
"""

import numpy as np
import torch
from PIL import Image, ImageOps

from benchmarks._timing import bandwidth, medians, table
from benchmarks.training import random_examples
from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import Batches
from vestige.learners.training.device import one_thread
from vestige.learners.training.recipe import Recipe

COUNT, PADDING = 2048, 4


def with_pillow(images: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    """What a data set class with per-image transforms does."""
    batch = []
    for pixels in images:
        picture = ImageOps.expand(Image.fromarray(pixels), PADDING)
        if random.integers(2):
            picture = ImageOps.mirror(picture)
        left, top = random.integers(0, 2 * PADDING + 1, 2)
        picture = picture.crop((left, top, left + 32, top + 32))
        array = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float().div(255)
        batch.append((array - 0.5) / 0.25)
    return torch.stack(batch)


def main() -> None:
    """Print images per second of both sides, and of memory alone."""
    examples = random_examples(COUNT, (32, 32, 3))
    batches = Batches(examples, np.arange(COUNT), Recipe(augmentation="crop_flip"), torch.device("cpu"))
    order, augmentation, random = torch_generator(0, "o"), torch_generator(0, "a"), np.random.default_rng(0)

    def gather() -> None:
        for _ in batches.epoch(order, augmentation, 256):
            pass

    def pillow() -> None:
        for start in range(0, COUNT, 256):
            with_pillow(examples.images[start : start + 256], random)

    with one_thread():
        seconds = medians({"gather": gather, "pillow": pillow})
    floor = bandwidth() / (32 * 32 * 3 * 5)  # a byte read and a float written for each value
    rows = [("", "images/s"), ("gather", f"{COUNT / seconds['gather']:,.0f}")]
    rows += [("Pillow", f"{COUNT / seconds['pillow']:,.0f}"), ("memory alone", f"{floor:,.0f}")]
    table(f"Augmentation, one thread: {seconds['pillow'] / seconds['gather']:.1f} times faster", rows)


if __name__ == "__main__":
    main()
