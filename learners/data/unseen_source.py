"""Unseen examples out of a second source."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Labels
from vestige.learners.data.examples import Examples
from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import as_names, first_names

UNSEEN_FOLDER = "unseen/"
"""Put before the second source's file names, so that a name of the first never means two files."""


def with_unseen(examples: Examples, other: Examples) -> Examples:
    """The training part of ``examples`` with all of ``other`` as the test part; the first's own test part is left out.

    Images must have one shape. Equal class names in another order are matched by name (the labels of ``other`` are
    renumbered); classes that are numbered only must not be more than the first's. Data subjects and groups must be in
    both or in neither: without them people or groups could not be distinguished. File names are kept where both have
    them, the second's below ``unseen/``. Raises DataError.
    """
    if examples.shape != other.shape:
        raise DataError(
            f"{other.name}: expected unseen images of shape {list(examples.shape)} as in {examples.name}, "
            f"got {list(other.shape)}; resize or convert them alike"
        )
    train = np.flatnonzero(~examples.test_part)
    if not len(train) or train[-1] != len(train) - 1:
        raise DataError(
            f"{examples.name}: expected its training part before its test part, got them mixed; sort them, so that "
            "leaving the test part out renumbers no example"
        )
    labels = _renumbered(examples, other)
    files = None
    if examples.files is not None and other.files is not None:
        below = [UNSEEN_FOLDER + name for name in other.files.tolist()]
        files = as_names(examples.name, [*examples.files[train].tolist(), *below])
    return replace(
        examples,
        images=np.concatenate([examples.images[train], other.images]),
        labels=np.concatenate([examples.labels[train], labels]),
        name=f"{examples.name}, unseen from {other.name}",
        test_part=np.repeat([False, True], [len(train), len(other)]),
        files=files,
        subjects=_both(examples, other, "subjects", train),
        groups=_both(examples, other, "groups", train),
    )


def _renumbered(examples: Examples, other: Examples) -> Labels:
    """Labels of ``other`` in the first's numbers."""
    names, others = examples.class_names, other.class_names
    if names == others:
        return other.labels
    if _numbers_only(names) and _numbers_only(others):
        if len(others) > len(names):
            raise DataError(
                f"{other.name}: expected at most the {len(names)} classes of {examples.name}, got {len(others)}"
            )
        return other.labels
    if set(names) == set(others) and len(set(names)) == len(names) == len(others):
        place = {name: number for number, name in enumerate(names)}
        return np.array([place[name] for name in others], dtype=np.int64)[other.labels]
    missing = [name for name in others if name not in set(names)] or [name for name in names if name not in set(others)]
    raise DataError(
        f"{other.name}: expected the {len(names)} classes of {examples.name}, in any order, got {len(others)}; in one "
        f"of the two only: {first_names(missing) or 'a name that repeats'}; name the classes alike"
    )


def _numbers_only(names: tuple[str, ...]) -> bool:
    return all(name == str(number) for number, name in enumerate(names))


def _both(examples: Examples, other: Examples, field: str, train: NDArray[np.intp]) -> NDArray[np.str_] | None:
    mine: NDArray[np.str_] | None = getattr(examples, field)
    theirs: NDArray[np.str_] | None = getattr(other, field)
    if (mine is None) != (theirs is None):
        has, lacks = (other, examples) if mine is None else (examples, other)
        raise DataError(
            f"{lacks.name}: expected {field} as in {has.name}, got none; add them here or leave them out there"
        )
    return None if mine is None or theirs is None else np.concatenate([mine[train], theirs])
