"""Images and labels from a NumPy archive."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Array
from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import Part, as_images, as_labels, join
from vestige.learners.errors import DataError
from vestige.learners.files.npz import read_npz
from vestige.learners.files.untrusted import as_names

_REQUIRED = ("images", "labels")
_TEST = ("test_images", "test_labels")
_OPTIONAL = (*_TEST, "subjects", "groups", "class_names")


def load(path: Path, name: str) -> Examples:
    """Arrays ``images`` uint8 ``[n, height, width(, channels)]`` and ``labels`` ``[n]``.

    Optional: ``test_images`` and ``test_labels``; ``subjects`` and ``groups``, one entry a row of images followed by
    test_images; ``class_names``. Archives with pickled objects, arrays of other names, headers that disagree with the
    archive, or more than half of the memory once unpacked are refused before anything is allocated.
    """
    arrays = read_npz(path, (*_REQUIRED, *_OPTIONAL))
    if not arrays.keys() >= {*_REQUIRED} or (_TEST[0] in arrays) != (_TEST[1] in arrays):
        raise DataError(
            f"{path}: expected the arrays {', '.join(_REQUIRED)} and if wanted {', '.join(_OPTIONAL)} "
            f"(the two of the test part together), got {', '.join(sorted(arrays)) or 'none'}"
        )
    train = _part(name, arrays, *_REQUIRED)
    test = _part(name, arrays, *_TEST) if _TEST[0] in arrays else None
    named = arrays.get("class_names")
    class_names = None if named is None else tuple(_words(path, "class_names", named, named.size).tolist())
    examples = join(name, class_names, train, test)
    words = {key: _words(path, key, arrays[key], len(examples)) for key in ("subjects", "groups") if key in arrays}
    return replace(examples, subjects=words.get("subjects"), groups=words.get("groups"))


def _part(name: str, arrays: Mapping[str, Array], images: str, labels: str) -> Part:
    pixels = as_images(f"{name} ({images})", arrays[images])
    return pixels, as_labels(f"{name} ({labels})", arrays[labels], len(pixels))


def _words(path: Path, key: str, values: Array, size: int) -> NDArray[np.str_]:
    if values.dtype.kind not in "iuU" or values.shape != (size,):
        raise DataError(
            f"{path}: expected {key} as text or whole numbers of shape [{size}], "
            f"got {values.dtype} {list(values.shape)}"
        )
    return as_names(f"{path} ({key})", list(map(str, values.tolist())))
