"""Names of classes, and labels as places among them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vestige.attacks.outputs.tables.columns import listed
from vestige.attacks.outputs.tables.sheet import Sheet
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError

_WHOLE = re.compile(r"\+?([0-9]{1,9})(\.0*)?")


@dataclass(frozen=True)
class Classes:
    """names: in the order of the logits' columns. base: the first number when names are numbers; None for texts.
    by_place: the file had no names, only an order."""

    names: tuple[str, ...]
    base: int | None
    by_place: bool = False

    @classmethod
    def of(cls, path: Path, names: Sequence[str]) -> "Classes":
        """Classes with these names: numbers in their order, from 0 or 1 on without a gap; texts as they come."""
        names = [name.strip() for name in names]
        if not all(re.fullmatch(r"[0-9]{1,9}", name) for name in names):
            if len(set(names)) < len(names):
                raise DataError(f"{path}: expected each class once, got {listed(names)}")
            return cls(tuple(names), None)
        numbers = sorted(map(int, names))
        first = numbers[0]
        if first > 1 or numbers != list(range(first, first + len(numbers))):
            raise DataError(
                f"{path}: expected classes numbered from 0 or 1 on, each once and without a gap, got "
                f"{len(numbers)} from {first} to {numbers[-1]}; add the missing one or number them anew"
            )
        return cls(tuple(map(str, numbers)), first)

    @classmethod
    def in_order(cls, count: int) -> "Classes":
        """Classes of which only the order is known."""
        return cls(tuple(map(str, range(count))), 0, by_place=True)

    def places(self, path: Path, names: Sequence[str]) -> Indices:
        """Place of each of ``names`` (each class once) among the classes; DataError when the two differ."""
        key = [str(int(name)) if self.base is not None and name.strip().isdecimal() else name.strip() for name in names]
        known = {name: place for place, name in enumerate(self.names)}
        unknown = [name for name in key if name not in known]
        if unknown or len(set(key)) != len(known) or len(key) != len(known):
            raise DataError(
                f"{path}: expected the {len(known)} classes {listed(self.names)} as in the first file, "
                f"got {len(key)}: {listed(key)}"
            )
        return np.array([known[name] for name in key], np.int64)

    def sorted(self, path: Path, columns: Mapping[str, str]) -> list[str]:
        """Columns in the order of the classes. columns: column to class."""
        names = list(columns)
        return [names[at] for at in np.argsort(self.places(path, list(columns.values())))]

    def order_in(self, path: Path, other: "Classes") -> Indices | None:
        """Where another file has these classes among its own; None where its order is the same."""
        if other.by_place or self.by_place:
            named = self if other.by_place else other
            if len(other.names) != len(self.names):
                raise DataError(
                    f"{path}: expected {len(self.names)} classes as in the first file, got {len(other.names)}"
                )
            if named.base is None:
                raise DataError(
                    f"{path}: expected classes named as in the other files ({listed(named.names)}), got an array "
                    "without names in one of them; number the classes everywhere, or name them everywhere"
                )
            return None
        return None if other.names == self.names else np.argsort(self.places(path, other.names))

    def labels(self, sheet: Sheet, column: str) -> Indices:
        """The place of each row's label; DataError for one that no class column belongs to."""
        texts = sheet.texts[column]
        if self.base is None:
            known = {name: place for place, name in enumerate(self.names)}
            places = [known.get(name.strip(), -1) for name in texts.names]
        else:
            wholes = [_WHOLE.fullmatch(name.strip()) for name in texts.names]
            numbers = [int(whole[1]) if whole else None for whole in wholes]
            self._check_offset(sheet, column, [number for number in numbers if number is not None])
            places = [-1 if n is None or not 0 <= n - self.base < len(self.names) else n - self.base for n in numbers]
        if min(places) < 0:
            code = places.index(-1)
            row = int(np.flatnonzero(texts.codes == code)[0])
            raise DataError(
                f"{sheet.where(row)}, column {column!r}: expected the label of a class column "
                f"({listed(self.names)}), got {texts.names[code][:60]!r}"
            )
        return np.array(places, np.int64)[texts.codes]

    def _check_offset(self, sheet: Sheet, column: str, numbers: Sequence[int]) -> None:
        """Refuse labels that count from 1 where classes count from 0, or the other way round."""
        if self.base is None or not numbers:
            return
        low, high, last = min(numbers), max(numbers), self.base + len(self.names) - 1
        if (low, high) == (1 - self.base, last + 1 - 2 * self.base) and low != self.base:
            raise DataError(
                f"{sheet.path}, column {column!r}: expected labels from {self.base} to {last} as the classes are "
                f"numbered, got {low} to {high}; {'subtract' if low else 'add'} 1"
            )
