"""Splits by lists that others wrote: who is forgotten, who stayed, who was never seen."""

from dataclasses import dataclass, replace

import numpy as np

from vestige.learners.arrays import Indices, Mask
from vestige.learners.data.class_mix import mix_distance
from vestige.learners.data.examples import Examples
from vestige.learners.data.sampling import (
    class_counts,
    first_few,
    given_size,
    matched,
    origin_of,
    parts,
    validation_and_rest,
)
from vestige.learners.data.selection import Selection
from vestige.learners.data.split import Setting, Split, split_subjects
from vestige.learners.errors import ConfigError, DataError


def split_selection(
    examples: Examples,
    *,
    forget: Selection,
    unseen: Selection | int | float | None = None,
    retain: Selection | None = None,
    validation: int | float = 0,
    seed: int,
) -> Split:
    """Forget a selection of the training part.

    unseen: a selection, taken whole; or None for as many as the test part can give in forget's class mix (largest
    remainder), a number or fraction of its examples of forget's classes; held out from the training part where there is
    no test part. retain: what else the models were trained on, None for the rest of the training part.
    validation: a number or fraction of the training part, drawn from what would be retained, or, where ``retain`` says
    what was trained on, from what is neither. A selection of people is forgotten as in ``split_subjects``: rows of
    theirs are in no other role, and unseen examples are of people that no model was trained on.
    Raises DataError for selections that overlap or lie in the wrong part, ConfigError for sizes that do not fit.
    """
    if forget.subjects is not None and retain is None and not isinstance(unseen, Selection):
        split = split_subjects(examples, subjects=forget.subjects, unseen=unseen, validation=validation, seed=seed)
        return replace(split, description=f"{split.description}; data subjects {forget.description}")
    chosen = _trained(examples, forget, "forget")
    kept = None if retain is None else _trained(examples, retain, "retain")
    if kept is not None:
        _apart("retain", kept, "forget", chosen)
    others = _Others(examples, forget, chosen, kept)
    aside, origin = others.unseen(unseen, seed)
    validated, retained = others.rest(aside, validation, seed)
    what = f"{len(chosen)} training examples {forget.description}"
    if retain is not None:
        origin += f"; {len(retained)} retained examples {retain.description}"
    setting: Setting = "sample" if forget.subjects is None else "subject"
    return Split(chosen, retained, aside, validated, setting, f"{what}; {origin}", seed)


def _trained(examples: Examples, selection: Selection, role: str) -> Indices:
    """Rows of a selection that models were trained on; of people these are their rows of the training part."""
    tested = selection.indices[examples.test_part[selection.indices]]
    if selection.subjects is not None:
        rows = np.setdiff1d(selection.indices, tested)
        if not len(rows):
            raise DataError(f"{role}: expected people with examples in the training part, got none of those listed")
        return rows
    if len(tested):
        raise DataError(
            f"{role}: expected indices of the training part, got {len(tested)} of the test part ({first_few(tested)}), "
            "which no model is trained on"
        )
    return selection.indices


def _apart(role: str, indices: Indices, other: str, others: Indices) -> None:
    both = np.intersect1d(indices, others, assume_unique=True)
    if len(both):
        raise DataError(
            f"{role}: expected examples that are not in {other}, got {len(both)} in both ({first_few(both)}); "
            f"remove them from one of the lists"
        )


@dataclass(frozen=True)
class _Others:
    """What is left for the other roles beside forget (``chosen``) and what is known to be retained (``kept``)."""

    examples: Examples
    forget: Selection
    chosen: Indices
    kept: Indices | None

    def unseen(self, given: Selection | int | float | None, seed: int) -> tuple[Indices, str]:
        train, test = parts(self.examples)
        if isinstance(given, Selection):
            _apart("unseen", given.indices, "forget", self.chosen)
            if self.kept is not None:
                _apart("unseen", given.indices, "retain", self.kept)
            met = given.indices[self._of_known_people(given.indices)]
            if len(met):
                raise DataError(
                    f"unseen: expected examples of people that no model was trained on, got {len(met)} of others "
                    f"({first_few(met)}); remove them"
                )
            counts = (class_counts(self.examples, rows) for rows in (self.chosen, given.indices))
            mix = f"total variation {mix_distance(*counts):.4f} between their classes and forget's"
            return given.indices, f"{len(given.indices)} unseen examples {given.description} ({mix})"
        pool, where = test, f"from the {origin_of(test)}"
        if not len(test):
            pool = np.setdiff1d(train, self.chosen)
            if self.kept is None:
                given_size(given, self.examples)
            else:
                pool, where = np.setdiff1d(pool, self.kept), "that are neither forgotten nor retained"
        pool = pool[~self._of_known_people(pool)]
        if not len(pool):
            raise ConfigError(f"unseen: expected examples {where} to draw from, got none; give a list of unseen ones")
        aside, mix = matched(self.examples, self.chosen, pool, given, seed)
        return np.sort(aside), f"{len(aside)} unseen examples {where}, {mix}"

    def rest(self, aside: Indices, validation: int | float, seed: int) -> tuple[Indices, Indices]:
        """Validation and retain."""
        train, _ = parts(self.examples)
        left = np.setdiff1d(train, np.union1d(self.chosen, aside))
        left = left[~self._of_people_among(left, np.union1d(self.forget.indices, aside))]
        if self.kept is not None:
            left = np.setdiff1d(left, self.kept)
        others = f"forget {len(self.chosen)}, {len(aside)} unseen"
        least = 1 if self.kept is None else 0
        validated, rest = validation_and_rest(self.examples, left, validation, seed, others=others, least=least)
        return validated, rest if self.kept is None else self.kept

    def _of_known_people(self, rows: Indices) -> Mask:
        """Which of ``rows`` are of people that models were trained on, where the forget set is given by person."""
        known = self.forget.indices if self.kept is None else np.union1d(self.forget.indices, self.kept)
        return self._of_people_among(rows, known)

    def _of_people_among(self, rows: Indices, others: Indices) -> Mask:
        people = self.examples.subjects
        if self.forget.subjects is None or people is None:
            return np.zeros(len(rows), dtype=np.bool_)
        return np.isin(people[rows], people[others])
