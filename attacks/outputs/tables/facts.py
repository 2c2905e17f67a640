"""What is known about the examples (label, role, group, subject, id), from one file or from several."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.classes import Classes
from vestige.attacks.outputs.tables.columns import Columns, RoleNames, listed
from vestige.attacks.outputs.tables.sheet import Sheet, Table, Texts, pandas, unique_ids
from vestige.learners.arrays import Indices
from vestige.learners.errors import ConfigError, DataError

FACTS = ("label", "role", "group", "subject")
_STRIPPED = ("role",)


def fact_columns(columns: Columns, table: Table) -> dict[str, str]:
    """Which of the facts and the id ``table`` has: part to column."""
    facts = {part: columns.find(part, table.names) for part in (*FACTS, "id")}
    for column in facts.values():
        if column in table.lists:
            raise DataError(f"{table.path}, column {column!r}: expected one text or number in a row, got lists")
    return {part: column for part, column in facts.items() if column is not None}


def read_facts(columns: Columns, table: Table, max_bytes: int) -> tuple[Sheet, dict[str, str]]:
    """The facts and the id in ``table``, and their columns."""
    facts = fact_columns(columns, table)
    return table.read(list(facts.values()), [], max_bytes, label=facts.get("label")), facts


def first_rows(codes: NDArray[np.int32], count: int) -> Indices:
    """The first row of each of ``count`` codes."""
    first = np.empty(count, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first


def check_constant(sheet: Sheet, examples: Texts, facts: dict[str, str], first: Indices) -> None:
    """Refuse an example whose rows disagree about a fact."""
    for part in FACTS:
        if part in facts:
            texts = sheet.texts[facts[part]]
            wrong = np.flatnonzero(texts.codes != texts.codes[first][examples.codes])
            if len(wrong):
                row = int(wrong[0])
                before = texts.names[texts.codes[first[examples.codes[row]]]]
                raise DataError(
                    f"{sheet.where(row)}, column {facts[part]!r}: expected {before[:60]!r} as in the other rows of "
                    f"{examples.names[examples.codes[row]][:60]!r}, got {texts.names[texts.codes[row]][:60]!r}"
                )


def align(ids: NDArray[np.object_], sheet: Sheet, column: str) -> Indices:
    """The row of ``sheet`` for each of ``ids``; refuses ids that are there twice, missing or too many."""
    names = unique_ids(sheet, column)
    rows = pandas().Index(names, dtype=object).get_indexer(pandas().Index(ids, dtype=object))
    missing = ids[rows < 0]
    if len(missing) or len(ids) < sheet.rows:
        extra = names[~np.isin(np.arange(sheet.rows), rows)]
        raise DataError(
            f"{sheet.path}: expected the {len(ids)} ids of the first file, got {len(missing)} missing"
            + (f" ({listed(missing[:3])})" if len(missing) else "")
            + (f" and {len(extra)} that it does not have ({listed(extra[:3])})" if len(extra) else "")
        )
    return np.asarray(rows, np.int64)


@dataclass(eq=False)
class Facts:
    """Facts in the order of the examples, gathered file by file; where two files have one, they must agree."""

    rows: int
    ids: NDArray[np.object_] | None
    roles: RoleNames
    held: dict[str, NDArray[Any]] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, sheet: Sheet, facts: dict[str, str], roles: RoleNames) -> "Facts":
        """None yet; examples in the order of ``sheet``."""
        return cls(sheet.rows, unique_ids(sheet, facts["id"]) if "id" in facts else None, roles)

    def _order(self, sheet: Sheet, facts: dict[str, str]) -> Indices | None:
        """The row of ``sheet`` for each example: by id where it has ids, else None: row by row."""
        if "id" in facts:
            if self.ids is None:
                raise DataError(
                    f"{sheet.path}: expected no column {facts['id']!r}, as the first file has no ids to match; "
                    "add the ids there"
                )
            return align(self.ids, sheet, facts["id"])
        if sheet.rows != self.rows:
            raise DataError(f"{sheet.path}: expected {self.rows} rows as in the first file, got {sheet.rows}")
        return None

    def add(self, sheet: Sheet, facts: dict[str, str], classes: Classes) -> Indices | None:
        """Take in the facts of ``sheet``; gives its row for each example (None: in order)."""
        rows = self._order(sheet, facts)
        for part in FACTS:
            if part not in facts:
                continue
            values = classes.labels(sheet, facts[part]) if part == "label" else self._texts(part, sheet, facts[part])
            values = values if rows is None else values[rows]
            if part not in self.held:
                self.held[part], self.source[part] = values, str(sheet.path)
                continue
            wrong = np.flatnonzero(values != self.held[part])
            if len(wrong):
                at = int(wrong[0])
                name = classes.names.__getitem__ if part == "label" else str
                raise DataError(
                    f"{sheet.where(at if rows is None else int(rows[at]))}, column {facts[part]!r}: expected "
                    f"{name(self.held[part][at])[:60]!r} as in {self.source[part]}, got {name(values[at])[:60]!r}"
                )
        return rows

    def check_roles_used(self, place: str) -> None:
        """Refuse a name for a role that no file uses: it may be misspelt."""
        for name, role in self.roles.pairs:
            if name not in self.seen:
                held = listed(sorted(set(self.held["role"].tolist())))
                raise ConfigError(f"{place}: expected the role {name!r} (given as {name}={role}) in it, got {held}")

    def _texts(self, part: str, sheet: Sheet, column: str) -> NDArray[np.object_]:
        texts = sheet.texts[column]
        if part not in _STRIPPED:
            return texts.values()
        called = dict(self.roles.pairs)
        self.seen.update(called.keys() & {name.strip() for name in texts.names})
        names = np.array([called.get(name.strip(), name.strip()) for name in texts.names], object)
        values: NDArray[np.object_] = names[texts.codes]
        return values
