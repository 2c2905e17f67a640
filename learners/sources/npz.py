"""Images and labels from a NumPy archive."""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learners._errors import DataError
from learners._examples import Examples
from learners.sources._parts import Part, as_images, as_labels, join

_REQUIRED = ("images", "labels")
_UNREADABLE = (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)
_TEST = ("test_images", "test_labels")
_OPTIONAL = (*_TEST, "subjects", "groups", "class_names")


def load(path: Path, name: str) -> Examples:
    """Arrays ``images`` uint8 ``[n, height, width(, channels)]`` and ``labels`` ``[n]``.

    Optional: ``test_images`` and ``test_labels``; ``subjects`` and ``groups``, one entry a row of images followed by
    test_images; ``class_names``. Archives with pickled objects, or arrays of other names, are refused.
    """
    arrays = _arrays(path)
    train = _part(name, arrays, *_REQUIRED)
    test = _part(name, arrays, *_TEST) if _TEST[0] in arrays else None
    named = arrays.get("class_names")
    class_names = None if named is None else tuple(_words(path, "class_names", named, named.size).tolist())
    examples = join(name, class_names, train, test)
    words = {key: _words(path, key, arrays[key], len(examples)) for key in ("subjects", "groups") if key in arrays}
    return replace(examples, subjects=words.get("subjects"), groups=words.get("groups"))


def _part(name: str, arrays: dict[str, NDArray[Any]], images: str, labels: str) -> Part:
    pixels = as_images(f"{name} ({images})", arrays[images])
    return pixels, as_labels(f"{name} ({labels})", arrays[labels], len(pixels))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            with archive:
                names = list(archive.files)
                _check_names(path, names)
                return {name: archive[name] for name in names}
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected a file, got none; check the path") from error
    except _UNREADABLE as error:
        raise DataError(
            f"{path}: expected a NumPy archive of plain arrays (written by numpy.savez, without objects), "
            f"could not be read: {error}"
        ) from error


def _check_names(path: Path, names: list[str]) -> None:
    unknown = sorted(set(names) - {*_REQUIRED, *_OPTIONAL})
    missing = sorted({*_REQUIRED} - set(names))
    if unknown or missing or (_TEST[0] in names) != (_TEST[1] in names):
        raise DataError(
            f"{path}: expected the arrays {', '.join(_REQUIRED)} and if wanted {', '.join(_OPTIONAL)} "
            f"(the two of the test part together), got {', '.join(sorted(names)) or 'none'}"
        )


def _words(path: Path, key: str, values: NDArray[Any], size: int) -> NDArray[np.str_]:
    if values.dtype.kind not in "iuU" or values.shape != (size,):
        raise DataError(
            f"{path}: expected {key} as text or whole numbers of shape [{size}], "
            f"got {values.dtype} {list(values.shape)}"
        )
    return values.astype(np.str_)
