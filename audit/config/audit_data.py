"""Data and split of an audit whose models were made elsewhere: out of an audit file, or of the command line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vestige.audit.canaries.planting import CanariesTable, plant_canaries
from vestige.audit.config.config import check_keys
from vestige.audit.config.data import build_data, check_together
from vestige.audit.config.tables import DataTable, ForgetTable
from vestige.audit.files.toml import read_toml
from vestige.audit.policy import Policy
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import ConfigError
from vestige.learners.files.validation import refusal

_SEEDS = 10_000
_NUMBER = re.compile(r"\d{1,18}|\d*\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+")
_SOURCE = re.compile(r"digits|fashion-mnist|[A-Za-z_][\w.-]*:.+", re.DOTALL)


@dataclass(frozen=True, eq=False)
class AuditData:
    """What an audit of outside checkpoints needs to know about data.

    examples, split: as they were loaded and divided. description: where both come from, one sentence for the report.
    seed: of the draws. random_draw: whether the forget set is a random draw, None where nobody says so. policy: of
    the file, None where it has none.
    """

    examples: Examples
    split: Split
    description: str
    seed: int = 0
    random_draw: bool | None = None
    policy: Policy | None = None


def read_data(path: Path, *, seed: int | None = None) -> AuditData:
    """``[data]``, ``[forget]``, ``[canaries]``, ``seed`` and ``[policy]`` of an audit file; the tables that say how
    models are made may be absent and are not looked into. ``seed`` overrides the file's.

    The examples and the split are those of ``vestige run`` with the same file. Raises ConfigError for unknown keys and
    values out of range, in one sentence; DataError for files that are missing or unfit.
    """
    content = read_toml(path, "a readable audit file")
    if seed is not None:
        content["seed"] = seed
    return parse_data(content, path.parent)


def parse_data(content: Mapping[str, Any], base: Path) -> AuditData:
    """The data that a table describes, relative paths from ``base``; see ``read_data``."""
    check_keys(content)
    data, forget = _table(DataTable, content, "data"), _table(ForgetTable, content, "forget")
    seed = content.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < _SEEDS:
        raise ConfigError(f"seed: expected a whole number in 0..{_SEEDS - 1}, got {seed!r}; correct the value")
    canaries = _table(CanariesTable, content, "canaries") if "canaries" in content else None
    policy = Policy.of(content["policy"]) if "policy" in content else None
    return _built(data, forget, seed, base, canaries=canaries, policy=policy)


def data_from_options(
    source: str,
    forget: str,
    *,
    unseen: str | None = None,
    retain: str | None = None,
    column: str | None = None,
    unseen_column: str | None = None,
    retain_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    seed: int = 0,
    base: Path = Path("."),
) -> AuditData:
    """The same out of texts as they stand on a command line.

    source: see ``learners.SOURCES``. forget, retain: files that list examples, see ``learners.read_selection``. unseen:
    a number or fraction; else a file that exists and lists examples; else a second source, all of which becomes the
    test part; None for the source's test part. Relative paths start from ``base``. Raises as ``read_data``.
    """
    data: dict[str, Any] = {"source": source, "image_column": image_column, "label_column": label_column}
    listed: dict[str, Any] = {"file": forget, "column": column, "retain": retain, "retain_column": retain_column}
    if unseen is not None:
        table, key, value = unseen_option(unseen, base)
        (data if table == "data" else listed)[key] = value
    if unseen_column is not None:
        listed["unseen_column"] = unseen_column
    tables = {"data": data, "forget": listed}
    return _built(_table(DataTable, tables, "data"), _table(ForgetTable, tables, "forget"), seed, base)


def unseen_option(text: str, base: Path) -> tuple[str, str, int | float | str]:
    """Table, key and value that an ``--unseen`` text stands for; ConfigError for what is neither number, file nor
    source."""
    if _NUMBER.fullmatch(text):
        return "forget", "unseen", int(text) if text.isdigit() else float(text)
    try:
        there = text != "" and "\0" not in text and (base / Path(text).expanduser()).exists()
    except (OSError, RuntimeError):  # longer than a path can be, or no home folder
        there = False
    if there:
        return "forget", "unseen_file", text
    if _SOURCE.fullmatch(text):
        return "data", "unseen_source", text
    short = text if len(text) <= 60 else f"{text[:60]}..."
    raise ConfigError(
        f"unseen: expected a number or fraction, a file that lists examples, or a source such as npz:PATH, got "
        f"{short!r}, which is none of these; check the path"
    )


def _built(
    data: DataTable,
    forget: ForgetTable,
    seed: int,
    base: Path,
    *,
    canaries: CanariesTable | None = None,
    policy: Policy | None = None,
) -> AuditData:
    check_together(data, forget)
    examples, split = build_data(data, forget, seed, base)
    if canaries is not None:
        examples, split = plant_canaries(canaries, seed if canaries.seed is None else canaries.seed, examples, split)
    description = f"{examples.name}: {split.description}"
    return AuditData(examples, split, description, seed, forget.random_draw, policy)


def _table(kind: Any, content: Mapping[str, Any], name: str) -> Any:
    try:
        return kind(**content.get(name, {}))
    except ValidationError as error:
        raise ConfigError(refusal(error, name, [entry.name for entry in fields(kind)])) from None
