"""Image files in one folder a class."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.decode import decode_all
from vestige.learners.data.sources.parts import examples_of
from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import Folder, as_names, shown_path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm"})

_NOT_DATA = frozenset({"Thumbs.db", "desktop.ini"})


def load(path: Path, name: str) -> Examples:
    """One subfolder a class, or ``train`` and perhaps ``test`` with one subfolder a class each.

    Classes are numbered in the order of their names, images follow class by class in the order of theirs. Hidden files
    and other parts (such as ``val``) are left out; anything else in a class folder that is not an image, images of
    differing size, and links that lead out of the folder are refused. File names are those below the folder.
    """
    if not path.is_dir():
        raise DataError(f"{shown_path(path)}: expected a folder with one subfolder a class, got none; check the path")
    inside = Folder(path)
    parts = [path / "train", path / "test"] if _subfolders(path / "train") else [path]
    listed = [_list(part) for part in parts if part == parts[0] or part.is_dir()]
    class_names = tuple(listed[0])
    unknown = sorted(set().union(*listed) - set(class_names))
    if unknown:
        raise DataError(f"{parts[-1]}: expected the classes of {parts[0]}, got also {', '.join(unknown[:5])}")
    files = [file for classes in listed for label in classes for file in classes[label]]
    names = [file.relative_to(path).as_posix() for file in files]
    for file in names:
        inside.file(file)
    number = {label: i for i, label in enumerate(class_names)}
    labels = np.array(
        [number[label] for classes in listed for label in classes for _ in classes[label]], dtype=np.int64
    )
    pixels = decode_all(files, len(files), lambda i: str(files[i]))
    train = sum(map(len, listed[0].values()))
    return replace(examples_of(name, class_names, pixels, labels, train), files=as_names(name, names))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in _visible(folder) if child.is_dir()) if folder.is_dir() else []


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith(".") and child.name not in _NOT_DATA)


def _list(folder: Path) -> dict[str, list[Path]]:
    """Class name to its image files."""
    loose = [child for child in _visible(folder) if child.is_file() and child.suffix.lower() in SUFFIXES]
    classes = _subfolders(folder)
    if loose or not classes:
        got = f"images beside them ({loose[0].name})" if loose else "no subfolder"
        raise DataError(f"{folder}: expected one subfolder of images a class, got {got}")
    return {child.name: _images(child) for child in classes}


def _images(folder: Path) -> list[Path]:
    files = _visible(folder)
    for file in files:
        if file.suffix.lower() not in SUFFIXES or not (file.is_file() or file.is_symlink()):
            raise DataError(f"{file}: expected only image files in a class folder ({', '.join(sorted(SUFFIXES))})")
    if not files:
        raise DataError(f"{folder}: expected at least one image of this class, got none; remove the folder")
    return files
