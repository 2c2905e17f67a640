"""How splits draw: sizes, classes, a matched class mix, people held out whole."""

import numpy as np
from numpy.typing import NDArray

from vestige.learners.arrays import Indices
from vestige.learners.data.class_mix import Counts, allocate, largest_match, mix_distance
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import numpy_generator


def parts(examples: Examples) -> tuple[Indices, Indices]:
    return np.flatnonzero(~examples.test_part), np.flatnonzero(examples.test_part)


def origin_of(test: Indices) -> str:
    return "test part" if len(test) else "training part, held out"


def given_size(unseen: int | float | None, examples: Examples) -> int | float:
    if unseen is None:
        raise ConfigError(f"unseen: expected a number or fraction to hold out, as {examples.name} has no test part")
    return unseen


def size_of(wanted: int | float, total: int, key: str, least: int = 1) -> int:
    """A number of examples from a number or a fraction of ``total``."""
    fraction = isinstance(wanted, float)
    if isinstance(wanted, bool) or (fraction and not (0 < wanted < 1 or wanted == least == 0)):
        raise ConfigError(f"{key}: expected a whole number, or a fraction between 0 and 1, got {wanted}")
    size = round(wanted * total) if fraction else int(wanted)
    if not least <= size <= total:
        got = f"{wanted} ({size} examples)" if fraction else str(wanted)
        raise ConfigError(f"{key}: expected {least}..{total} examples to draw from, got {got}")
    return size


def class_number(examples: Examples, given: int | str) -> int:
    if isinstance(given, str):
        if given in examples.class_names:
            return examples.class_names.index(given)
        if given.isascii() and given.isdigit() and int(given[:9]) < examples.classes:
            return int(given[:9])
    elif not isinstance(given, bool) and 0 <= given < examples.classes:
        return int(given)
    known = ", ".join(examples.class_names[:20]) + (", ..." if examples.classes > 20 else "")
    raise ConfigError(
        f"forget: expected classes of {examples.name} (0..{examples.classes - 1}: {known}), got {given!r}"
    )


def class_counts(examples: Examples, indices: Indices) -> Counts:
    return np.bincount(examples.labels[indices], minlength=examples.classes).astype(np.int64)


def of_same_classes(examples: Examples, chosen: Indices, pool: Indices) -> Indices:
    return pool[np.isin(examples.labels[pool], examples.labels[chosen])]


def matched(
    examples: Examples, chosen: Indices, pool: Indices, unseen: int | float | None, seed: int
) -> tuple[Indices, str]:
    """Members of ``pool`` in the class mix of ``chosen``, and words that say how close the mix came."""
    pool = of_same_classes(examples, chosen, pool)
    counts, available = class_counts(examples, chosen), class_counts(examples, pool)
    size = largest_match(counts, available) if unseen is None else size_of(unseen, len(pool), "unseen")
    if size == 0:
        raise ConfigError(
            "unseen: expected examples of the forget set's classes to draw from, got none; add unseen data"
        )
    random = numpy_generator(seed, "unseen")
    sampled = allocate(counts, available, size)
    picked = [random.permutation(pool[examples.labels[pool] == label])[:many] for label, many in enumerate(sampled)]
    apart = mix_distance(counts, sampled)
    return np.concatenate(picked), f"class mix matched to forget by largest remainder (total variation {apart:.4f})"


def people_apart(
    examples: Examples, subjects: NDArray[np.str_], chosen: Indices, others: Indices, size: int, seed: int
) -> Indices:
    """All rows of as many other people, in random order, as it takes to hold out ``size`` rows in forget's mix."""
    needed = allocate(class_counts(examples, chosen), class_counts(examples, others), size)
    people, owner = np.unique(subjects[others], return_inverse=True)
    rows = np.zeros((len(people), examples.classes), dtype=np.int64)
    np.add.at(rows, (owner, examples.labels[others]), 1)
    order = numpy_generator(seed, "people").permutation(len(people))
    enough = (rows[order].cumsum(axis=0) >= needed).all(axis=1)
    held_out = order[: int(np.argmax(enough)) + 1]
    if len(held_out) == len(people):
        raise ConfigError(
            f"unseen: expected {size} examples of people who can be held out whole, but that takes all {len(people)} "
            "others and leaves no one to retain; use fewer"
        )
    return others[np.isin(owner, held_out)]


def validation_and_rest(
    examples: Examples, left: Indices, validation: int | float, seed: int, *, others: str, least: int = 1
) -> tuple[Indices, Indices]:
    """``left`` in two parts, both sorted: validation, drawn at random, and the remainder of at least ``least``. others:
    what else was taken from the training part, for the sentence."""
    total = int(np.sum(~examples.test_part))
    size = size_of(validation, total, "validation", least=0)
    if size + least > len(left):
        raise ConfigError(
            f"split: expected some of the {total} training examples to be left to retain, but {others} and validation "
            f"{size} take them all; use fewer"
        )
    order = numpy_generator(seed, "validation").permutation(left)
    return np.sort(order[:size]), np.sort(order[size:])


def first_few(indices: Indices) -> str:
    return ", ".join(map(str, indices[:5].tolist())) + (", ..." if len(indices) > 5 else "")
