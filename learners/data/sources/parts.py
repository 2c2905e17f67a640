"""What every source ends with: checked arrays, training part before test part, behind one index space."""

from typing import Any

import numpy as np

from vestige.learners.arrays import Array, Images, Labels
from vestige.learners.data.examples import Examples
from vestige.learners.errors import DataError

Part = tuple[Images, Labels]
"""Images and labels."""

_MOST_CLASSES = 65_536


def join(name: str, class_names: tuple[str, ...] | None, train: Part, test: Part | None = None) -> Examples:
    """Training examples first, then the test part (if there is one), each in its own order; see ``examples_of``."""
    if test is None:
        return examples_of(name, class_names, *train, len(train[1]))
    if test[0].shape[1:] != train[0].shape[1:]:
        shapes = f"{list(train[0].shape[1:])} and {list(test[0].shape[1:])}"
        raise DataError(f"{name}: expected training and test images of one shape, got {shapes}; resize them")
    images, labels = np.concatenate([train[0], test[0]]), np.concatenate([train[1], test[1]])
    return examples_of(name, class_names, images, labels, len(train[1]))


def examples_of(name: str, class_names: tuple[str, ...] | None, images: Images, labels: Labels, train: int) -> Examples:
    """Examples of which the first ``train`` are the training part, the others the test part.

    class_names: None for ``0``, ``1``, ... up to the largest label.
    """
    if class_names is None:
        class_names = numbered(name, labels)
    if len(class_names) > _MOST_CLASSES:
        raise DataError(f"{name}: expected at most {_MOST_CLASSES} classes, got {len(class_names)}; check the labels")
    return Examples(images, labels, class_names, name, np.arange(len(labels)) >= train)


def numbered(name: str, labels: Labels) -> tuple[str, ...]:
    """Class names for labels that come without: their numbers."""
    most = int(labels.max(initial=0))
    if most >= _MOST_CLASSES:
        raise DataError(f"{name}: expected labels below {_MOST_CLASSES}, got {most}; number the classes from 0")
    return tuple(str(number) for number in range(most + 1))


def as_images(name: str, values: Any) -> Images:
    """Whole numbers 0..255 ``[n, height, width]`` or ``[n, height, width, channels]`` as uint8 with channels last."""
    images = _array(name, "images", values)
    if images.dtype.kind not in "iu":
        raise DataError(
            f"{name}: expected images as uint8 in 0..255, got {images.dtype}; "
            "scale floats in 0..1 with numpy.rint(255 * images).astype('uint8')"
        )
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(f"{name}: expected images as [n, height, width, channels], got shape {list(images.shape)}")
    if images.dtype != np.uint8 and (images.min() < 0 or images.max() > 255):
        raise DataError(f"{name}: expected pixels in 0..255, got {images.min()}..{images.max()}; scale them")
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        raise DataError(
            f"{name}: expected images with channels last, got shape {list(images.shape)}; "
            "use numpy.moveaxis(images, 1, -1)"
        )
    return np.ascontiguousarray(images if images.ndim == 4 else images[..., None], dtype=np.uint8)


def as_labels(name: str, values: Any, images: int) -> Labels:
    """Whole-number labels ``[images]``."""
    labels = _array(name, "labels", values)
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise DataError(
            f"{name}: expected labels as whole numbers of shape [{images}], got {labels.dtype} {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{name}: expected labels from 0, got {labels.min()}..{labels.max()}; drop unlabelled images")
    return labels.astype(np.int64)


def _array(name: str, what: str, values: Any) -> Array:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name}: expected {what} as an array, got {type(values).__name__} ({error})") from error
