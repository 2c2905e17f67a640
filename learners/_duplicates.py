"""Examples that stand in two roles, pixel for pixel: what a split by index cannot see."""

from dataclasses import dataclass

import numpy as np

from learners._errors import DataError
from learners._examples import Examples, Indices
from learners._split import Split

TOLERATED = 0.01
"""Share of the forget set that may have a copy in another role; natural data sets contain a few."""


@dataclass(frozen=True)
class Duplicates:
    """How many forget images have a pixel-identical copy in the retain set, and in the unseen set."""

    in_retain: int
    in_unseen: int


def count_duplicates(examples: Examples, split: Split) -> Duplicates:
    """Count them; DataError when more than 1 % of the forget set is affected, because what stays in the retain set
    cannot be forgotten and what is unseen cannot have been trained on. Labels do not matter."""
    forget = _digests(examples, split.forget)
    found = {role: _shared(forget, _digests(examples, getattr(split, role))) for role in ("retain", "unseen")}
    for role, count in found.items():
        if count > TOLERATED * len(forget):
            raise DataError(
                f"{examples.name}: expected forget and {role} images to differ, got {count} of {len(forget)} forget "
                f"images that stand in {role} too, pixel for pixel; remove the copies, or forget them together"
            )
    return Duplicates(found["retain"], found["unseen"])


def _digests(examples: Examples, indices: Indices) -> list[bytes]:
    images, _ = examples.read(indices)
    return [image.tobytes() for image in np.ascontiguousarray(images)]


def _shared(forget: list[bytes], others: list[bytes]) -> int:
    known = set(others)
    return sum(image in known for image in forget)
