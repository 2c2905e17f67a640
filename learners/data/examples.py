"""Labelled images, decoded once."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from numpy.typing import NDArray

from vestige.learners.arrays import Array, Images, Indices, Labels
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.seeds import numpy_generator

_TEXTS = ("subjects", "groups", "files")


@dataclass(frozen=True)
class LabelNoise:
    """Labels made wrong on purpose, so that there is something to memorise.

    fraction: share of all examples, in [0, 1); seed: of the draw; changed: how many labels were changed.
    """

    fraction: float
    seed: int
    changed: int


@dataclass(frozen=True, eq=False)
class Examples:
    """Images with labels, all in memory.

    images: uint8 ``[n, height, width, channels]``. labels: int64 ``[n]`` in ``0 .. classes - 1``.
    class_names: one per class. name: where they came from (as given on the command line).
    test_part: bool ``[n]``, true for the source's own test part. subjects / groups: str ``[n]``, whose row it is /
    which declared subgroup it belongs to, or None. label_noise: what was done to the labels, or None.
    files: str ``[n]``, relative names with forward slashes by which a request to forget may call an example, or None.
    They are no part of the fingerprint: no model sees a name, and a renamed file leaves what was trained as it is.
    """

    images: Images
    labels: Labels
    class_names: tuple[str, ...]
    name: str
    test_part: Bool[Array, " n"]
    subjects: NDArray[np.str_] | None = None
    groups: NDArray[np.str_] | None = None
    label_noise: LabelNoise | None = None
    files: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"{self.name}: expected images as uint8 [n, height, width, channels], "
                f"got {self.images.dtype} {list(self.images.shape)}"
            )
        n = len(self.images)
        for field in ("labels", "test_part", *_TEXTS):
            values = getattr(self, field)
            if values is not None and values.shape != (n,):
                raise DataError(f"{self.name}: expected {field} of shape [{n}], got {list(values.shape)}")
        if n == 0:
            raise DataError(f"{self.name}: expected at least one example, got none")
        if self.labels.dtype != np.int64:
            raise DataError(f"{self.name}: expected labels as int64, got {self.labels.dtype}")
        if self.labels.min() < 0 or self.labels.max() >= self.classes:
            raise DataError(
                f"{self.name}: expected labels in 0..{self.classes - 1}, "
                f"got {self.labels.min()}..{self.labels.max()}; check the number of classes"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one image."""
        height, width, channels = self.images.shape[1:]
        return int(height), int(width), int(channels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over pixels, labels, class names, parts, data subjects and groups."""
        texts = [self.class_names, *(() if v is None else v.tolist() for v in (self.subjects, self.groups))]
        return digest(
            str(self.images.shape),
            np.ascontiguousarray(self.images).tobytes(),
            np.ascontiguousarray(self.labels).tobytes(),
            np.ascontiguousarray(self.test_part).tobytes(),
            canonical_json(texts),
        )

    def names(self, indices: Indices) -> NDArray[np.str_]:
        """What the examples at ``indices`` are called in outputs and among exposed ids, ``[m]``: their file names,
        where the source has one for each example and no two are equal, else their indices."""
        if self.files is None or not self._distinct_files:
            return indices.astype(np.str_)
        return self.files[indices]

    @cached_property
    def _distinct_files(self) -> bool:
        return self.files is not None and len(set(self.files.tolist())) == len(self)

    def read(self, indices: Indices) -> tuple[UInt8[Array, "m height width channels"], Int64[Array, " m"]]:
        """Images and labels at ``indices``: the only way that training,
        unlearning and inference look at examples, so that a guarded view can prove what was read."""
        return self.images[indices], self.labels[indices]

    def subset(self, size: int, seed: int) -> "Examples":
        """``size`` examples of the training part drawn without replacement; the test part is kept whole."""
        train = np.flatnonzero(~self.test_part)
        if not 0 < size <= len(train):
            raise ConfigError(f"data.subset: expected 1..{len(train)} training examples of {self.name}, got {size}")
        chosen = numpy_generator(seed, "subset").choice(train, size, replace=False)
        return self._at(np.sort(np.concatenate([chosen, np.flatnonzero(self.test_part)])))

    def with_label_noise(self, fraction: float, seed: int) -> "Examples":
        """A copy in which a share of *all* labels (training and test part alike, so that forget and unseen data stay
        exchangeable) is replaced by a different class drawn uniformly."""
        if not 0 <= fraction < 1:
            raise ConfigError(f"data.label_noise: expected a fraction in [0, 1), got {fraction}")
        if fraction == 0:
            return self
        if self.classes < 2:
            raise ConfigError(f"data.label_noise: expected at least 2 classes, {self.name} has {self.classes}")
        random = numpy_generator(seed, "label noise")
        changed = random.choice(len(self), round(fraction * len(self)), replace=False)
        labels = self.labels.copy()
        labels[changed] = (labels[changed] + random.integers(1, self.classes, len(changed))) % self.classes
        return replace(self, labels=labels, label_noise=LabelNoise(fraction, seed, len(changed)))

    def _at(self, indices: Indices) -> "Examples":
        arrays = {field: getattr(self, field) for field in ("images", "labels", *_TEXTS, "test_part")}
        return replace(self, **{field: rows[indices] for field, rows in arrays.items() if rows is not None})
