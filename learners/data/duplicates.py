"""Examples that stand in two roles, pixel for pixel: what a split by index cannot see."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import DataError

TOLERATED = 0.01
"""Share of the forget set that may have a copy in another role; natural data sets contain a few."""


WIDTH = 16
BLOCK = 4096


@dataclass(frozen=True)
class Duplicates:
    """How many forget images have a pixel-identical copy in the retain set, and in the unseen set; how many unseen
    images have one in the retain set."""

    in_retain: int
    in_unseen: int
    unseen_in_retain: int = 0


def count_duplicates(examples: Examples, split: Split) -> Duplicates:
    """Count them; DataError when more than 1 % of the forget set is affected, because what stays in the retain set
    cannot be forgotten and what is unseen cannot have been trained on. Labels do not matter. Unseen images in the
    retain set are counted and not refused: every model was trained on them, the candidate and its yardstick alike.

    Memory: 16 bytes an image."""
    forget, retain, unseen = (digests(examples, indices) for indices in (split.forget, split.retain, split.unseen))
    found = {"retain": int(np.isin(forget, retain).sum()), "unseen": int(np.isin(forget, unseen).sum())}
    for role, count in found.items():
        if count > TOLERATED * len(forget):
            raise DataError(
                f"{examples.name}: expected forget and {role} images to differ, got {count} of {len(forget)} forget "
                f"images that stand in {role} too, pixel for pixel; remove the copies, or forget them together"
            )
    return Duplicates(found["retain"], found["unseen"], int(np.isin(unseen, retain).sum()))


def digests(examples: Examples, indices: Indices) -> NDArray[np.void]:
    """A 16-byte digest of each image's pixels, ``[n]``: equal images, equal digests. Images are read in blocks."""
    found = np.empty(len(indices), f"V{WIDTH}")
    for start in range(0, len(indices), BLOCK):
        images, _ = examples.read(indices[start : start + BLOCK])
        hashed = [blake2b(image.tobytes(), digest_size=WIDTH).digest() for image in images]
        found[start : start + BLOCK] = np.frombuffer(b"".join(hashed), f"V{WIDTH}")
    return found
