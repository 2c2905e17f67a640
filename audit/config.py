"""``audit.toml``: one file that describes a whole audit."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic.dataclasses import dataclass

import unlearners
from attacks import SIGNALS
from audit.policy import Policy
from learners import (
    ConfigError,
    DataError,
    Examples,
    Recipe,
    Split,
    load_examples,
    parse_views,
    refusal,
    split_classes,
    split_indices,
    split_random,
    split_subjects,
)

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=10_000)]


def _amount(least: int, *, optional: bool) -> PlainValidator:
    """A number of examples or a share of them: 1 is one example, 0.1 a tenth, and 1.0 neither."""

    def check(value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if whole or (isinstance(value, float) and 0 < value < 1) or (value is None and optional):
            return value
        raise ValueError(f"a whole number from {least}, or a fraction between 0 and 1")

    return PlainValidator(check)


Amount = Annotated[int | float | None, _amount(1, optional=True)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataTable:
    """``[data]``: source (see ``learners.SOURCES``); subset: training examples to draw; label_noise: share of labels to
    make wrong; seed: of both draws, None for the audit's; the rest goes to the source."""

    source: Annotated[str, Field(min_length=1)]
    subset: Count | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Seed | None = None
    download: bool = False
    image_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ForgetTable:
    """``[forget]``: exactly one of random (number or fraction), classes, subjects, file; unseen and validation: numbers
    or fractions, see ``learners.split_random``; seed: of the draw, None for the audit's."""

    random: Amount = None
    classes: Annotated[list[int | str], Field(min_length=1)] | None = None
    subjects: Annotated[list[str], Field(min_length=1)] | None = None
    file: str | None = None
    unseen: Amount = None
    validation: Annotated[int | float, _amount(0, optional=False)] = 0
    seed: Seed | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("random", "classes", "subjects", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of the keys random, classes, subjects, file (found: {', '.join(given) or 'none'})"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RetrainsTable:
    """``[retrains]``: how many models are trained without the forget set; 3 are the floor, 5 to 10 recommended."""

    count: Annotated[int, Field(ge=1, le=1000)] = 5


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AttacksTable:
    """``[attacks]``: the signals of the report-only attacks; the endpoints of the verdict are always computed."""

    signals: list[str] = field(default_factory=lambda: list(SIGNALS))

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.signals) - set(SIGNALS))
        if unknown:
            raise ValueError(f"signals among {', '.join(SIGNALS)} ({unknown[0]} is none of them)")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ShadowsTable:
    """``[shadows]``: count: of models, even; views: of every example, None for those that suit the recipe."""

    count: Annotated[int, Field(ge=2, le=100_000, multiple_of=2)] = 16
    views: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.views is not None:
            try:
                parse_views(self.views)
            except ConfigError as error:
                raise ValueError(str(error).removeprefix("views: expected ")) from None
        return self


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class CandidateSpec:
    """One candidate to make: its name, the registry name of the method, the hyper-parameters that were given."""

    name: str
    method: str
    parameters: dict[str, Any]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AuditConfig:
    """A whole audit. seed: determines every draw and every model; device: auto, cpu, cuda, cuda:N; workers: processes
    side by side, None for one per core."""

    seed: Seed = 0
    device: str = "auto"
    workers: Count | None = None
    data: DataTable
    forget: ForgetTable
    recipe: Recipe
    retrains: RetrainsTable = RetrainsTable()
    candidates: tuple[CandidateSpec, ...]
    attacks: AttacksTable = AttacksTable()
    shadows: ShadowsTable = ShadowsTable()
    policy: Policy

    def load_data(self, base: Path) -> tuple[Examples, Split]:
        """Examples and split; relative paths start from ``base``, the folder of the file."""
        table, forget = self.data, self.forget
        examples = load_examples(
            table.source,
            download=table.download,
            image_column=table.image_column,
            label_column=table.label_column,
            base=base,
        )
        seed = self.seed if table.seed is None else table.seed
        if table.subset is not None:
            examples = examples.subset(table.subset, seed)
        examples = examples.with_label_noise(table.label_noise, seed)
        drawn = self.seed if forget.seed is None else forget.seed
        if forget.random is not None:
            split = split_random(
                examples, forget=forget.random, unseen=forget.unseen, validation=forget.validation, seed=drawn
            )
        elif forget.classes is not None:
            split = split_classes(
                examples, classes=forget.classes, unseen=forget.unseen, validation=forget.validation, seed=drawn
            )
        elif forget.subjects is not None:
            split = split_subjects(
                examples, subjects=forget.subjects, unseen=forget.unseen, validation=forget.validation, seed=drawn
            )
        else:
            path = base / Path(forget.file or "").expanduser()
            split = split_indices(examples, path=path, unseen=forget.unseen, validation=forget.validation, seed=drawn)
        return examples, split


CONTROLS = ("no_op", "fresh_retrain")
"""Candidates whose verdict is known beforehand: the first must FAIL, the second must not."""

TABLES = ("data", "forget", "model", "recipe", "retrains", "unlearners", "attacks", "shadows", "policy")
TOP = ("seed", "device", "workers")


def read_config(path: Path, *, seed: int | None = None) -> AuditConfig:
    """The audit that a TOML file describes; ``seed`` overrides the file's.

    Raises ConfigError in one sentence (the key's path, what was expected, what was given), DataError for no file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{path}: expected a readable audit file, got {reason}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, got {error}; correct the file") from None
    if seed is not None:
        content["seed"] = seed
    return parse_config(content)


def parse_config(content: Mapping[str, Any]) -> AuditConfig:
    """The audit that a table describes; see ``read_config``."""
    for key, value in content.items():
        if key not in (*TABLES, *TOP):
            known = ", ".join((*TOP, *TABLES))
            raise ConfigError(f"{key}: expected one of the keys {known}, got an unknown key; correct or remove it")
        if key in TABLES and not isinstance(value, Mapping):
            raise ConfigError(f"{key}: expected a table [{key}], got {value!r}; correct the file")
    for key in ("data", "forget"):
        if key not in content:
            raise ConfigError(f"{key}: expected a table [{key}], got none; vestige init writes a commented file")
    forget = _table(ForgetTable, content, "forget")
    if forget.file is not None and content["data"].get("subset") is not None:
        raise ConfigError(
            "forget.file: expected no data.subset beside it, got both; a subset would renumber the indices"
        )
    setting = "class" if forget.classes is not None else "subject" if forget.subjects is not None else "sample"
    tables = {
        "data": _table(DataTable, content, "data"),
        "forget": forget,
        "recipe": _recipe(content.get("model", {}), content.get("recipe", {})),
        "retrains": _table(RetrainsTable, content, "retrains"),
        "candidates": _candidates(content.get("unlearners", {}), setting),
        "attacks": _table(AttacksTable, content, "attacks"),
        "shadows": _table(ShadowsTable, content, "shadows"),
        "policy": Policy.of(content.get("policy", {})),
    }
    top = {key: content[key] for key in TOP if key in content}
    try:
        return AuditConfig(**top, **tables)
    except ValidationError as error:
        raise ConfigError(refusal(error, "", TOP)) from None


def _table(kind: Any, content: Mapping[str, Any], name: str) -> Any:
    try:
        return kind(**content.get(name, {}))
    except ValidationError as error:
        raise ConfigError(refusal(error, name, [entry.name for entry in fields(kind)])) from None


def _recipe(model: Mapping[str, Any], recipe: Mapping[str, Any]) -> Recipe:
    keys = [entry.name for entry in fields(Recipe)]
    own = {"model": ("architecture", "width"), "recipe": tuple(k for k in keys if k not in ("architecture", "width"))}
    for name, table in (("model", model), ("recipe", recipe)):
        for key in table:
            if key not in own[name]:
                known = ", ".join(own[name])
                raise ConfigError(f"{name}.{key}: expected one of the keys {known}, got an unknown key; remove it")
    try:
        return Recipe(**model, **recipe)
    except ValidationError as error:
        first = error.errors()[0]["loc"]
        where = "model" if first and first[0] in own["model"] else "recipe"
        raise ConfigError(refusal(error, where, own[where])) from None


def _candidates(table: Mapping[str, Any], setting: str) -> tuple[CandidateSpec, ...]:
    """``[unlearners]``: one sub-table a candidate; ``controls = false`` leaves no_op and fresh_retrain out."""
    controls = table.get("controls", True)
    if not isinstance(controls, bool):
        raise ConfigError(f"unlearners.controls: expected true or false, got {controls!r}; correct the value")
    given = {name: value for name, value in table.items() if name != "controls"}
    if not given:
        given = {name: {} for name in unlearners.names(control=False) if setting in unlearners.entry(name).settings}
    if controls:
        given = {name: {} for name in CONTROLS} | given
    specs = []
    for name, value in given.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"unlearners.{name}: expected a table [unlearners.{name}], got {value!r}")
        method = value.get("method", name)
        if not isinstance(method, str) or method not in unlearners.names():
            known = ", ".join(unlearners.names())
            raise ConfigError(f"unlearners.{name}: expected a method among {known}, got {method!r}; correct the name")
        parameters = {key: setting_ for key, setting_ in value.items() if key != "method"}
        if name in CONTROLS and method != name:
            raise ConfigError(
                f"unlearners.{name}: expected the control itself, got method {method!r}; rename the table"
            )
        # Refuse now what would fail after hours of training.
        unlearners.create(method, parameters, where=f"unlearners.{name}")
        if setting not in unlearners.entry(method).settings:
            raise ConfigError(f"unlearners.{name}: {method} cannot forget by {setting}; choose another method")
        specs.append(CandidateSpec(name=name, method=method, parameters=parameters))
    return tuple(specs)


def describe(config: AuditConfig) -> dict[str, Any]:
    """The resolved audit as plain values, for the workspace's record."""
    return asdict(config)
