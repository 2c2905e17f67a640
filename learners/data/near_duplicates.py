"""Forget examples of which an altered copy stands in the retain set, or in the unseen set.

Compressed again, scaled, mirrored, moved by a pixel, brightened: such a copy teaches a model what it is to
forget, and no comparison of bytes sees it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from numpy.typing import NDArray

from vestige.learners.arrays import Array, Floats, Indices
from vestige.learners.data.duplicates import digests
from vestige.learners.data.examples import Examples
from vestige.learners.data.similarity import Greys, greys, is_flat, moved, signature, similarity
from vestige.learners.data.split import Split
from vestige.learners.progress import Progress

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Role = Literal["retain", "unseen"]
ROLES: tuple[Role, ...] = ("retain", "unseen")

CLOSE = 0.15
"""Largest distance of two signatures that are compared pixel by pixel."""
NEIGHBOURS = 8
"""So many of the closest are compared, of each mirroring and shift."""
ALIKE = 0.95
"""Least similarity of a copy."""
SAME = 0.995
"""A similarity from which on a pair is a copy whatever else is near."""
CLOSER = 1 / 6
"""Below that, its distance from 1 must be at most this share of the one that is usual around the forget image."""
BLOCK = 256
"""Forget images that are compared at a time."""
READ = 4096
"""Images that are read at a time."""
MOVES = tuple(product((False, True), (0, -1, 1), (0, -1, 1)))


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Pairs of a forget example and an altered copy of it. Row by row ``[pairs]``: index of the forget example, index
    and role of the other, similarity in [0, 1]; in rising order of the forget example, the likest first."""

    forget: Int64[Array, " pairs"]
    other: Int64[Array, " pairs"]
    role: Shaped[Array, " pairs"]
    similarity: Float64[Array, " pairs"]

    def count(self, role: Role) -> int:
        """Forget examples with a copy in this role."""
        return len(np.unique(self.forget[self.role == role]))


def find_near_duplicates(examples: Examples, split: Split, progress: Progress | None = None) -> NearDuplicates:
    """Altered copies of forget images among retain and unseen images; pixel-identical ones are not counted again.

    Each image is described by 14 coarse cosine waves (perceptual hashing, kept as numbers). A k-d tree over retain and
    over unseen images gives, for each forget image in 18 positions (mirrored or not, moved by at most a pixel each
    way), up to eight neighbours; those are compared by ``similarity`` of their pixels. A neighbour is a copy from a
    similarity of .995 on, or from .95 on where its distance from 1 is at most a sixth of what is usual around the
    forget image: the median of the eight likest after the first, however far they lie. Outlines of plain trousers
    resemble each other without being copies, and so do handwritten zeros, the more the fewer pixels they were drawn
    in; an image enlarged from 8 x 8 has neighbours that are as blurred as itself, and is held to them. Images with
    next to nothing in them are left out; of images that are identical to each other one stands for all. progress:
    called with the images looked at and all images.

    Measured on planted copies (among the images that the thresholds were chosen on, so at best), 300 in
    1,000 digits, 500 in 50,000 images of Fashion-MNIST and in 45,000 of CIFAR-10 (share found, in this order):
    mirrored, moved by a pixel, both 1 1 1; brighter by 30 1 1 1; contrast x .7 1 1 1, x 1.4 1 .86 .98; noise of 4
    grey levels 1 1 1, of 10 1 .98 .98; JPEG at quality 90 and 75 1 1 1, 50 .53 .99 .97, 25 .03 .75 .65; scaled to
    three quarters and back 0 .77 1, to 150 % and back .80 1 1, to a half and back 0 0 .02; a mark over a sixth of
    each side .02 0 .10. Without planted copies 2 of 300, 2 of 500 and 2 of 500 forget images were reported in retain,
    1, 1 and 1 in unseen: those of CIFAR-10 are the same photographs in other colours, those of Fashion-MNIST look like
    the same product, those of the digits are different ones. Of digits enlarged to 16, 28, 32 and 64 pixels 0 to 1.2 %
    were, 1.8 % where pixels were repeated (means of four permutations). On images that nothing was chosen on (the test
    part of Fashion-MNIST, whole, at 14, 32 and 64 pixels; of CIFAR-10, whole, at 16 and enlarged again to 64; digits
    averaged or enlarged in other ways) 0 to 1.3 % of forget images, 2.3 % of digits with pixels repeated. With 50,000
    retain and 500 forget images 2 s on one core, the reading of the images included. Deterministic; time grows with
    n log n, memory with 14 numbers an image.
    """
    total = 2 * len(split.forget) + len(split.retain) + len(split.unseen)
    done = 0

    def looked_at(images: int) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)

    found = [_in_role(examples, split.forget, getattr(split, role), role, looked_at) for role in ROLES]
    looked_at(total - done)
    forget, other, roles, alike = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((other, -alike, forget))
    return NearDuplicates(forget[order], other[order], roles[order], alike[order])


_NONE: Indices = np.zeros(0, np.int64)
Pairs = tuple[Indices, Indices, NDArray[np.str_], Floats]


def _in_role(
    examples: Examples, forget: Indices, others: Indices, role: Role, looked_at: Callable[[int], None]
) -> Pairs:
    """The pairs of one role. looked_at: called with how many more images are done."""
    from scipy.spatial import cKDTree

    known, first = np.unique(digests(examples, others), return_index=True)
    copied, others = np.isin(digests(examples, forget), known), others[np.sort(first)]
    signatures, flat = _describe(examples, others, looked_at)
    others, tree = others[~flat], cKDTree(signatures[~flat])
    firsts, seconds, alike = [_NONE], [_NONE], [np.zeros(0)]
    forget = forget[~copied]
    for start in range(0, len(forget), BLOCK):
        block = forget[start : start + BLOCK]
        number, grey = len(block), greys(examples.read(block)[0])
        block, grey = block[~is_flat(grey)], grey[~is_flat(grey)]
        if len(block) and len(others):
            row, column, similarities = _copies(examples, grey, others, tree)
            firsts.append(block[row])
            seconds.append(others[column])
            alike.append(similarities)
        looked_at(number)
    pairs = np.concatenate(firsts)
    return pairs, np.concatenate(seconds), np.full(len(pairs), role), np.concatenate(alike)


def _describe(
    examples: Examples, indices: Indices, looked_at: Callable[[int], None]
) -> tuple[Float32[Array, "n 14"], Bool[Array, " n"]]:
    """Signatures of the images, and which of them are flat; read in blocks."""
    signatures, flat = [], []
    for start in range(0, len(indices), READ):
        grey = greys(examples.read(indices[start : start + READ])[0])
        signatures.append(signature(grey))
        flat.append(is_flat(grey))
        looked_at(len(grey))
    return np.concatenate(signatures), np.concatenate(flat)


def _copies(
    examples: Examples, grey: Greys, others: Indices, tree: "cKDTree"
) -> tuple[Int64[Array, " pairs"], Int64[Array, " pairs"], Float64[Array, " pairs"]]:
    """Rows of ``grey`` and of ``others`` that are copies of each other, and how alike they are."""
    place, alike = _compared(examples, grey, others, tree, CLOSE)
    copy = alike >= SAME
    unsure = np.flatnonzero(((alike >= ALIKE) & ~copy).any(axis=1))
    if len(unsure):
        # What is usual is measured at whatever distance it lies: within CLOSE most images have a neighbour or none.
        usual = _usual(_compared(examples, grey[unsure], others, tree, np.inf)[1])
        near = alike[unsure]
        copy[unsure] |= (near >= ALIKE) & (1 - near <= CLOSER * (1 - usual))
    row, column = np.nonzero(copy)
    return row, place[row, column].astype(np.int64), alike[row, column]


def _usual(alike: Float64[Array, "m near"]) -> Float64[Array, "m 1"]:
    """Median similarity of the eight likest after the first, or of what there is of them; 1 where there is
    nothing to compare with."""
    after = -np.sort(-alike, axis=1)[:, 1 : NEIGHBOURS + 1]
    after[np.isnan(after[:, 0]), 0] = 1
    return np.asarray(np.nanmedian(after, axis=1, keepdims=True))


def _compared(
    examples: Examples, grey: Greys, others: Indices, tree: "cKDTree", farthest: float
) -> tuple[Int64[Array, "n 32"], Float64[Array, "n 32"]]:
    """Neighbours of each image: their places in ``others`` and how alike they are, not a number for none.
    farthest: largest distance of signatures."""
    near = [tree.query(signature(moved(grey, *move)), NEIGHBOURS, distance_upper_bound=farthest) for move in MOVES]
    distance, place = (np.concatenate(parts, axis=1) for parts in zip(*near, strict=True))
    move = np.repeat(np.arange(len(MOVES)), NEIGHBOURS)
    # The closest first, and each neighbour once, in the position in which it is closest.
    order = np.argsort(distance, axis=1, kind="stable")[:, : 4 * NEIGHBOURS]
    distance, place, move = (
        np.take_along_axis(distance, order, 1),
        np.take_along_axis(place, order, 1),
        move[order],
    )
    earlier = np.tril(np.ones((order.shape[1],) * 2, np.bool_), -1)
    again = ((place[:, :, None] == place[:, None, :]) & earlier).any(axis=2)
    alike = np.full(place.shape, np.nan)
    row, column = np.nonzero(np.isfinite(distance) & ~again)
    for start in range(0, len(row), READ):
        pair = row[start : start + READ], column[start : start + READ]
        second = greys(examples.read(others[place[pair]])[0])
        first = np.empty_like(second)
        for number, chosen in enumerate(MOVES):
            here = move[pair] == number
            first[here] = moved(grey[pair[0][here]], *chosen)
        alike[pair] = similarity(first, second)
    return place, alike
