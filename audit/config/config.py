"""``audit.toml``: one file that describes a whole audit."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from vestige.audit.canaries.planting import CanariesTable, plant_canaries
from vestige.audit.config.data import build_data, check_together
from vestige.audit.config.tables import AttacksTable, Count, DataTable, ForgetTable, RetrainsTable, Seed, ShadowsTable
from vestige.audit.files.toml import STRICT, read_toml
from vestige.audit.policy import Policy
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import ConfigError
from vestige.learners.files.validation import refusal
from vestige.learners.training.recipe import Recipe


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
    canaries: CanariesTable | None = None
    policy: Policy

    @property
    def canary_seed(self) -> int:
        """Seed of the canaries' draws."""
        return self.seed if self.canaries is None or self.canaries.seed is None else self.canaries.seed

    def load_data(self, base: Path) -> tuple[Examples, Split]:
        """Examples and split, canaries planted; relative paths start from ``base``, the folder of the file."""
        examples, split = build_data(self.data, self.forget, self.seed, base)
        if self.canaries is None:
            return examples, split
        return plant_canaries(self.canaries, self.canary_seed, examples, split)


CONTROLS = ("no_op", "fresh_retrain")
"""Candidates whose verdict is known beforehand: the first must FAIL, the second must not."""

TABLES = ("data", "forget", "model", "recipe", "retrains", "unlearners", "attacks", "shadows", "canaries", "policy")
TOP = ("seed", "device", "workers")


def read_config(path: Path, *, seed: int | None = None, policy: Policy | None = None) -> AuditConfig:
    """The audit that a TOML file describes; ``seed`` overrides the file's, ``policy`` is that of a file without one.

    Raises ConfigError in one sentence (the key's path, what was expected, what was given), DataError for no file.
    """
    content = read_toml(path, "a readable audit file")
    if seed is not None:
        content["seed"] = seed
    return parse_config(content, policy)


def check_keys(content: Mapping[str, Any]) -> None:
    """Refuse (ConfigError) keys that an audit file does not know, and one without data or forget set."""
    for key, value in content.items():
        if key not in (*TABLES, *TOP):
            known = ", ".join((*TOP, *TABLES))
            raise ConfigError(f"{key}: expected one of the keys {known}, got an unknown key; correct or remove it")
        if key in TABLES and not isinstance(value, Mapping):
            raise ConfigError(f"{key}: expected a table [{key}], got {value!r}; correct the file")
    for key in ("data", "forget"):
        if key not in content:
            raise ConfigError(f"{key}: expected a table [{key}], got none; vestige init writes a commented file")
    if "exchangeable" in content["forget"]:
        raise ConfigError("forget.exchangeable: expected its new name random_draw, got the old one; rename the key")


def parse_config(content: Mapping[str, Any], policy: Policy | None = None) -> AuditConfig:
    """The audit that a table describes; see ``read_config``."""
    check_keys(content)
    forget = _table(ForgetTable, content, "forget")
    data = _table(DataTable, content, "data")
    check_together(data, forget)
    setting = "class" if forget.classes is not None else "subject" if forget.subjects is not None else "sample"
    tables = {
        "data": data,
        "forget": forget,
        "recipe": _recipe(content.get("model", {}), content.get("recipe", {})),
        "retrains": _table(RetrainsTable, content, "retrains"),
        "candidates": _candidates(content.get("unlearners", {}), setting),
        "attacks": _table(AttacksTable, content, "attacks"),
        "shadows": _table(ShadowsTable, content, "shadows"),
        "canaries": _table(CanariesTable, content, "canaries") if "canaries" in content else None,
        "policy": Policy.of(content.get("policy", {})) if policy is None or "policy" in content else policy,
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
    of_model = ("architecture", "width")
    keys_of = {"model": of_model, "recipe": tuple(key for key in Recipe.__dataclass_fields__ if key not in of_model)}
    for name, table in (("model", model), ("recipe", recipe)):
        for key in table:
            if key not in keys_of[name]:
                known = ", ".join(keys_of[name])
                raise ConfigError(f"{name}.{key}: expected one of the keys {known}, got an unknown key; remove it")
    try:
        return Recipe(**model, **recipe)
    except ValidationError as error:
        first = error.errors()[0]["loc"]
        where = "model" if first and first[0] in keys_of["model"] else "recipe"
        raise ConfigError(refusal(error, where, keys_of[where])) from None


def _candidates(table: Mapping[str, Any], setting: str) -> tuple[CandidateSpec, ...]:
    """``[unlearners]``: one sub-table a candidate; ``controls = false`` leaves no_op and fresh_retrain out."""
    from vestige.unlearners.core import registry  # torch, which reports and outputs do not need

    controls = table.get("controls", True)
    if not isinstance(controls, bool):
        raise ConfigError(f"unlearners.controls: expected true or false, got {controls!r}; correct the value")
    given = {name: value for name, value in table.items() if name != "controls"}
    if not given:
        given = {name: {} for name in registry.names(control=False) if setting in registry.entry(name).settings}
    if controls:
        given = {name: {} for name in CONTROLS} | given
    specs = []
    for name, value in given.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"unlearners.{name}: expected a table [unlearners.{name}], got {value!r}")
        method = value.get("method", name)
        if not isinstance(method, str) or method not in registry.names():
            known = ", ".join(registry.names())
            raise ConfigError(f"unlearners.{name}: expected a method among {known}, got {method!r}; correct the name")
        parameters = {key: setting_ for key, setting_ in value.items() if key != "method"}
        if name in CONTROLS and method != name:
            raise ConfigError(
                f"unlearners.{name}: expected the control itself, got method {method!r}; rename the table"
            )
        # Refuse now what would fail after hours of training.
        registry.create(method, parameters, where=f"unlearners.{name}")
        if setting not in registry.entry(method).settings:
            raise ConfigError(f"unlearners.{name}: {method} cannot forget by {setting}; choose another method")
        specs.append(CandidateSpec(name=name, method=method, parameters=parameters))
    return tuple(specs)


def describe(config: AuditConfig) -> dict[str, Any]:
    """The resolved audit as plain values, for the workspace's record."""
    return asdict(config)
