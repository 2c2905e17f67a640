"""Which column of a table is what: found by name, or named by the user."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.checks import ROLES
from vestige.learners.errors import ConfigError

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "labels", "y"),
    "role": ("role",),
    "id": ("id",),
    "group": ("group",),
    "subject": ("subject",),
    "model": ("model",),
    "class": ("class",),
    "value": ("value",),
}
"""The names under which a column is found when the user names none."""
PREFIXES = ("logit_*", "logits_*", "prob_*", "p_*", "class_*")
"""Patterns of class columns, in addition to names that are whole numbers."""
LISTS = ("logits", "probabilities")
"""Names of a Parquet column that holds all classes as a list."""
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of columns where they differ from ``DEFAULTS``, ``PREFIXES`` and ``LISTS``.

    label, role, id, group, subject, model: one column each. of_class, value: the two of the long layout. logits: a
    pattern with one ``*`` for the class columns (``p_*``: what stands for the star is the class), or the name of a list
    column of Parquet. ConfigError when two of them name the same column.
    """

    label: str | None = None
    role: str | None = None
    id: str | None = None
    group: str | None = None
    subject: str | None = None
    model: str | None = None
    of_class: str | None = None
    value: str | None = None
    logits: str | None = None

    def __post_init__(self) -> None:
        names = list(self.given().values())
        if "" in names:
            raise ConfigError("column: expected the name of a column, got an empty name")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ConfigError(f"column: expected each column in one part only, got {repeated[0]!r} for two")
        if self.logits is not None and self.logits.count("*") > 1:
            raise ConfigError(f"column logits: expected one * in the pattern, got {self.logits!r}; write it as p_*")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Columns":
        """Columns from texts such as ``label=y`` or ``logits=p_*``. ConfigError for anything else or a name twice."""
        pairs = _pairs("column", texts, (*DEFAULTS, "logits"))
        return cls(**{_FIELDS.get(name, name): column for name, column in pairs.items()})

    def given(self) -> dict[str, str]:
        """What the user named: part to column."""
        names = {field: name for name, field in _FIELDS.items()}
        values = {names.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def find(self, part: str, names: Sequence[str]) -> str | None:
        """The column among ``names`` that is ``part``, or None; ConfigError when several could be meant."""
        wanted = self.given().get(part)
        columns = [name for name in ((wanted,) if wanted is not None else DEFAULTS[part]) if name in names]
        if len(columns) > 1:
            raise ConfigError(
                f"{part}: expected one column, got {' and '.join(columns)}; choose with --column {part}={columns[0]}"
            )
        return columns[0] if columns else None

    def check_given(self, tables: Iterable[Sequence[str]]) -> None:
        """Refuse a column that was named and is in none of ``tables`` (their column names)."""
        every = list(dict.fromkeys(name for names in tables for name in names))
        for part, column in self.given().items():
            if part == "logits" and "*" in column:
                continue
            if column not in every:
                raise ConfigError(f"--column {part}={column}: expected a column of that name, got {listed(every)}")


@dataclass(frozen=True)
class RoleNames:
    """How the roles of a file are called: pairs of (name in the file, forget / unseen / retain)."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name, role in self.pairs:
            if role not in ROLES:
                raise ConfigError(f"role {name}={role}: expected one of {', '.join(ROLES)} after =, got {role!r}")
            if name in ROLES and name != role:
                raise ConfigError(
                    f"role {name}={role}: expected another name for a role, got {name!r}, which is one itself"
                )

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "RoleNames":
        """Names from texts such as ``test=unseen``. ConfigError for anything else or a name twice."""
        return cls(tuple(_pairs("role", texts, None).items()))


_FIELDS = {"class": "of_class"}


def _pairs(option: str, texts: Iterable[str], known: Sequence[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{option}: expected NAME=VALUE, got {text!r}")
        if known is not None and name not in known:
            raise ConfigError(f"{option} {text}: expected one of {', '.join(known)} before =, got {name!r}")
        if name in pairs:
            raise ConfigError(f"{option}: expected {name} once, got {name}={pairs[name]} and {text}")
        pairs[name] = value
    return pairs


def class_columns(columns: Columns, names: Sequence[str]) -> dict[str, str]:
    """The class columns among ``names``: column to class name, in the table's order; empty when there are none.

    ConfigError when several patterns match, or the user's matches nothing.
    """
    taken = {columns.find(part, names) for part in DEFAULTS}
    free = [name for name in names if name not in taken]
    if columns.logits is not None:
        return matches(columns.logits, free) if "*" in columns.logits else {}
    numbered = {name: name for name in free if re.fullmatch(r"[0-9]{1,9}", name)}
    by_pattern = {"0, 1, ...": numbered} | {pattern: matches(pattern, free) for pattern in PREFIXES}
    by_pattern = {pattern: classes for pattern, classes in by_pattern.items() if len(classes) > 1}
    if len(by_pattern) > 1:
        raise ConfigError(
            f"logits: expected one set of class columns, got {' and '.join(by_pattern)}; "
            f"choose with --column logits={list(by_pattern)[-1]}"
        )
    return next(iter(by_pattern.values()), {})


def matches(pattern: str, names: Iterable[str]) -> dict[str, str]:
    """Names that fit ``pattern``, with what stands for its star."""
    before, after = pattern.split("*")
    least = len(before) + len(after) + 1
    return {
        name: name[len(before) : len(name) - len(after)]
        for name in names
        if len(name) >= least and name.startswith(before) and name.endswith(after)
    }


def listed(names: Sequence[str] | NDArray[np.object_]) -> str:
    """Names for a message: the first dozen, and how many more."""
    shown = ", ".join(repr(name[:60]) for name in names[:_SHOWN])
    return (f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown) or "no columns"
