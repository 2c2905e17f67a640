"""Who is forgotten, who stays, and who was never seen: disjoint index sets over one ``Examples``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.sampling import (
    class_number,
    first_few,
    given_size,
    matched,
    of_same_classes,
    origin_of,
    parts,
    people_apart,
    size_of,
    validation_and_rest,
)
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import digest
from vestige.learners.seeds import numpy_generator

Setting = Literal["sample", "class", "subject"]
ROLES = ("forget", "retain", "unseen", "validation")
CANARIES = ("canaries_in", "canaries_out")


def _none() -> Indices:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of examples with a role each.

    forget, retain, unseen, validation: int64 ``[m]``, strictly increasing indices into one ``Examples``; only
    validation (for stopping rules and tuning, never audited) may be empty. setting: what the forget set is, ``sample``,
    ``class`` or ``subject``. description: one sentence for the report. seed: of the draw. canaries_in, canaries_out:
    int64 ``[m]``, examples whose membership a coin decided: those in are trained on and to be forgotten, those
    out are in no model; neither is audited as a forget or an unseen example. Mostly empty.
    Raises DataError where sets overlap, are unordered or empty.
    """

    forget: Indices
    retain: Indices
    unseen: Indices
    validation: Indices
    setting: Setting
    description: str
    seed: int
    canaries_in: Indices = field(default_factory=_none)
    canaries_out: Indices = field(default_factory=_none)

    def __post_init__(self) -> None:
        for role in (*ROLES, *CANARIES):
            indices = getattr(self, role)
            if indices.ndim != 1 or indices.dtype != np.int64:
                raise DataError(f"{role}: expected indices as int64 [m], got {indices.dtype} {list(indices.shape)}")
            if len(indices) == 0 and role not in ("validation", *CANARIES):
                raise DataError(f"{role}: expected at least one example, got none; choose other sizes")
            if len(indices) and (indices[0] < 0 or np.any(np.diff(indices) <= 0)):
                raise DataError(
                    f"{role}: expected distinct indices from 0 in rising order; sort them with numpy.unique"
                )
        for role, other in combinations((*ROLES, *CANARIES), 2):
            both = np.intersect1d(getattr(self, role), getattr(self, other), assume_unique=True)
            if len(both):
                raise DataError(
                    f"split: expected {role} and {other} to share no example, "
                    f"got {len(both)} in both ({first_few(both)})"
                )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the four index sets, and over the canaries where there are any."""
        roles = (*ROLES, *CANARIES) if len(self.canaries_in) + len(self.canaries_out) else ROLES
        return digest(*(np.ascontiguousarray(getattr(self, role), dtype="<i8").tobytes() for role in roles))

    @cached_property
    def forget_request(self) -> Indices:
        """What an unlearning method is to forget: the forget examples, and the canaries that are in."""
        return np.sort(np.concatenate([self.forget, self.canaries_in]))

    @cached_property
    def train(self) -> Indices:
        """What the original is trained on: everything to forget, and the retain examples."""
        return np.sort(np.concatenate([self.forget_request, self.retain]))


def split_random(
    examples: Examples, *, forget: int | float, unseen: int | float | None, validation: int | float = 0, seed: int
) -> Split:
    """Forget a random draw of the training part.

    forget, validation: a number of examples, or a fraction of the training part. unseen: None for the whole test part,
    or a number or fraction of the test part; where there is no test part, of the training part, held out from it.
    The forget sets of one seed are nested: a larger one contains the smaller. Raises ConfigError for sizes that do not
    fit.
    """
    train, test = parts(examples)
    wanted = size_of(forget, len(train), "forget")
    order = numpy_generator(seed, "forget").permutation(train)
    chosen, rest = order[:wanted], order[wanted:]
    if len(test):
        size = len(test) if unseen is None else size_of(unseen, len(test), "unseen")
        aside = numpy_generator(seed, "unseen").choice(test, size, replace=False)
    else:
        size = size_of(given_size(unseen, examples), len(train), "unseen")
        aside = rest[len(rest) - size :] if size <= len(rest) else rest
    what = f"{len(chosen)} training examples drawn at random"
    origin = f"{len(aside)} unseen examples from the {origin_of(test)}"
    return _finish(examples, chosen, aside, validation, "sample", f"{what}; {origin}", seed)


def split_classes(
    examples: Examples,
    *,
    classes: Sequence[int | str],
    unseen: int | float | None,
    validation: int | float = 0,
    seed: int,
) -> Split:
    """Forget whole classes, given by name or number: every training example of them.

    unseen: examples of the same classes in the same mix (largest remainder); None for as many as the test part can give
    so mixed, or a number or fraction of the test part's examples of these classes. Where there is no test part they are
    held out from the classes' own examples, and forget is all that is left of these.
    validation: as in ``split_random``, from the other classes. Raises ConfigError for unknown classes or sizes.
    """
    train, test = parts(examples)
    numbers = sorted({class_number(examples, given) for given in classes})
    names = ", ".join(examples.class_names[number] for number in numbers)
    chosen = train[np.isin(examples.labels[train], numbers)]
    pool = test if len(test) else chosen
    if not numbers:
        raise ConfigError("forget: expected at least one class, got none")
    for where, indices in (("training part", train), (origin_of(test), pool)):
        if absent := set(numbers) - set(examples.labels[indices].tolist()):
            missing = ", ".join(examples.class_names[number] for number in sorted(absent))
            raise ConfigError(f"forget: expected classes with examples in the {where}, got {missing} without any")
    if not len(test):
        given_size(unseen, examples)
    aside, mix = matched(examples, chosen, pool, unseen, seed)
    chosen = np.setdiff1d(chosen, aside)
    what = f"all {len(chosen)} training examples of class{'es' if len(numbers) > 1 else ''} {names}"
    origin = f"{len(aside)} unseen examples from the {origin_of(test)}, {mix}"
    return _finish(examples, chosen, aside, validation, "class", f"{what}; {origin}", seed)


def split_subjects(
    examples: Examples,
    *,
    subjects: Sequence[str],
    unseen: int | float | None,
    validation: int | float = 0,
    seed: int,
) -> Split:
    """Forget people: every training row of these data subjects. None of their rows is retained, unseen or validation.

    unseen: rows of people without any training row, class mix matched to forget (largest remainder); None for as many
    as the test part can give so mixed, or a number or fraction of its rows of forget's classes. Where there is no test
    part, whole people are held out at random from the training part; rows of theirs beyond the match have no role.
    Raises ConfigError for unknown people or sizes, and for examples without subjects.
    """
    if examples.subjects is None:
        raise ConfigError(f"forget: expected examples with data subjects, {examples.name} has none; forget otherwise")
    train, test = parts(examples)
    wanted = np.unique(np.array(list(subjects), dtype=np.str_))
    unknown = np.setdiff1d(wanted, examples.subjects[train])
    if len(unknown) or not len(wanted):
        got = ", ".join(map(repr, unknown[:5].tolist())) or "no one"
        raise ConfigError(f"forget: expected data subjects of the training part of {examples.name}, got {got}")
    theirs = np.isin(examples.subjects, wanted)
    chosen, others = train[theirs[train]], train[~theirs[train]]
    barred = np.flatnonzero(theirs)
    if len(test):
        unknown_people = test[~np.isin(examples.subjects[test], examples.subjects[train])]
        if not len(unknown_people):
            raise ConfigError(
                f"forget: expected people in the test part of {examples.name} that no model is trained on, got none; "
                "unseen data must come from other people, so give a source without a test part and a number for unseen"
            )
        aside, mix = matched(examples, chosen, unknown_people, unseen, seed)
    else:
        size = size_of(given_size(unseen, examples), len(of_same_classes(examples, chosen, others)), "unseen")
        pool = people_apart(examples, examples.subjects, chosen, others, size, seed)
        aside, mix = matched(examples, chosen, pool, size, seed)
        barred = np.union1d(barred, pool)
    unused = np.setdiff1d(barred, np.union1d(chosen, aside))
    what = f"all {len(chosen)} training examples of {len(wanted)} data subject{'s' if len(wanted) > 1 else ''}"
    origin = f"{len(aside)} unseen examples of other people from the {origin_of(test)}, {mix}"
    left = f"; {len(unused)} more examples of people forgotten or held out are not used" if len(unused) else ""
    return _finish(examples, chosen, aside, validation, "subject", f"{what}; {origin}{left}", seed, barred=barred)


def _finish(
    examples: Examples,
    forget: Indices,
    unseen: Indices,
    validation: int | float,
    setting: Setting,
    description: str,
    seed: int,
    barred: Indices | None = None,
) -> Split:
    """Draw validation from what is left of the training part; the remainder is retained."""
    train, _ = parts(examples)
    taken = np.concatenate([forget, unseen] if barred is None else [forget, unseen, barred])
    others = f"forget {len(forget)}, unseen held out"
    aside, retain = validation_and_rest(examples, np.setdiff1d(train, taken), validation, seed, others=others)
    return Split(np.sort(forget), retain, np.sort(unseen), aside, setting, description, seed)
