"""The plan file: what is to be judged under which policy, written down before a candidate is scored."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from vestige.audit.endpoints.endpoints import BATTERY, DEFINITIONS
from vestige.audit.files.text import one_line
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Reference
from vestige.audit.results.setting import Setting
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import canonical_json, digest, read_bounded, write_atomically
from vestige.learners.files.validation import refusal

SCHEMA: Literal["2.0"] = "2.0"
MOST_BYTES = 2**20
AGAIN = "take the plan as vestige wrote it, or plan again"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, le=10**12)]


@dataclass(frozen=True)
class Sizes:
    """How much is to be judged; retain and original are None where the plan does not say."""

    forget: Annotated[int, Field(ge=1, le=10**12)]
    unseen: Annotated[int, Field(ge=2, le=10**12)]
    retrains: Annotated[int, Field(ge=0, le=1000)]
    retain: Size | None = None
    original: bool | None = None


@dataclass(frozen=True)
class Subject:
    """What is to be judged, by digest; None for what was not there yet, or is not known.

    kind: ``checkpoints``: digests of models are of their weights; ``outputs``: of their numbers in an outputs file.
    examples: labels and roles of the audited examples, in order. data: pixels and labels. split: all index sets.
    """

    kind: Literal["checkpoints", "outputs"]
    examples: Digest | None = None
    data: Digest | None = None
    split: Digest | None = None
    original: Digest | None = None
    retrains: tuple[Digest, ...] | None = None


@dataclass(frozen=True)
class PlanFile:
    """A plan. Its ``hash`` covers everything else in it, the time included.

    created: ISO 8601, UTC. version: of the program. battery, endpoints: what is computed. policy: all settings.
    setting: of the forget set, None where nothing shows it yet. preconditions: as retrains and original showed them,
    None where there were none. subject: None for a plan made of sizes alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal["2.0"]
    created: Annotated[str, Field(max_length=40)]
    version: Annotated[str, Field(max_length=80)]
    battery: Literal["3"]
    endpoints: Annotated[tuple[Annotated[str, Field(max_length=20)], ...], Field(max_length=100)]
    policy: dict[str, str | int | float | bool]
    policy_hash: Digest
    setting: Setting | None
    sizes: Sizes
    subject: Subject | None
    preconditions: Reference | None

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the content as canonical JSON."""
        return digest(canonical_json(asdict(self)))

    @cached_property
    def applies(self) -> Policy:
        """The planned policy."""
        return Policy.of(self.policy, "the plan's policy")

    @property
    def bound(self) -> tuple[str, ...]:
        """What the plan fixes."""
        parts = [] if self.setting is None else ["setting"]
        parts += [
            name for name in ("examples", "original", "retrains") if getattr(self.subject, name, None) is not None
        ]
        return ("policy", "sizes", *parts)

    def text(self) -> str:
        """What stands in the file: JSON with the hash as its last key."""
        return json.dumps({**asdict(self), "hash": self.hash}, indent=1, allow_nan=False) + "\n"


def make_plan(
    policy: Policy,
    sizes: Sizes,
    *,
    setting: Setting | None = None,
    subject: Subject | None = None,
    preconditions: Reference | None = None,
    created: datetime | None = None,
) -> PlanFile:
    """A plan of this program's version and battery; created: now unless given."""
    return PlanFile(
        schema_version=SCHEMA,
        created=(created or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        version=version("vestige"),
        battery=BATTERY,
        endpoints=tuple(definition.name for definition in DEFINITIONS),
        policy=asdict(policy),
        policy_hash=policy.hash,
        setting=setting,
        sizes=sizes,
        subject=subject,
        preconditions=preconditions,
    )


def check_absent(path: Path, *, force: bool) -> None:
    """Refuse (DataError) a place where something is; ``force`` lets a file be overwritten."""
    if path.is_dir() or (path.exists() and not force):
        raise DataError(f"{path}: expected no plan there, got one; choose another name or give --force")


def write_plan(plan: PlanFile, path: Path, *, force: bool = False) -> None:
    """Write the plan, whole or not at all; what is there already is only overwritten with ``force`` (DataError)."""
    check_absent(path, force=force)
    write_atomically(path, plan.text().encode())


def keep_plan(plan: PlanFile, folder: Path) -> Path:
    """Put a copy of the plan beside a report, where the gate looks for it."""
    path = folder / kept_name(plan.hash)
    write_atomically(path, plan.text().encode())
    return path


def kept_name(plan_hash: str) -> str:
    """What the copy of a plan beside a report is called."""
    return f"plan-{plan_hash[:16]}.json"


def read_plan(path: Path) -> PlanFile:
    """The plan in this file. DataError in one sentence for what is no plan, and for one whose hash does not match what
    stands in it."""
    content = read_bounded(path, MOST_BYTES, "a readable plan file")
    try:
        return parse_plan(content)
    except DataError as error:
        raise DataError(f"{path}: {one_line(str(error), 400)}") from None


def parse_plan(content: bytes) -> PlanFile:
    """The plan of a file's bytes; see ``read_plan``."""
    value = _parse(content)
    stated = value.pop("hash", None)
    battery = value.get("battery")
    if isinstance(battery, str) and battery != BATTERY and isinstance(value.get("sizes"), dict):
        raise DataError(
            f"expected a plan of battery {BATTERY}, got one of battery {battery[:40]!r}, whose endpoints and rule are "
            "others; plan again"
        )
    if value.get("schema_version") != SCHEMA:
        got = str(value.get("schema_version"))[:40]
        raise DataError(
            f"expected a plan with schema_version {SCHEMA!r}, got {got!r}; read it with the version that wrote it"
        )
    if not isinstance(stated, str):
        raise DataError(f"hash: expected the plan's own hash, got none; {AGAIN}")
    try:
        plan = TypeAdapter(PlanFile).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        raise DataError(refusal(error, "", PlanFile.__dataclass_fields__)) from None
    if plan.hash != stated:
        raise DataError(
            f"hash: expected {plan.hash[:16]} (recomputed from what stands in the plan), got {stated[:16]!r}: it was "
            f"edited after it was written; {AGAIN}"
        )
    _check(plan)
    return plan


def _check(plan: PlanFile) -> None:
    """What a matching hash does not show: it was computed by the writer of the file."""
    try:
        policy = plan.applies
    except ConfigError as error:
        raise DataError(str(error)) from None
    if asdict(policy) != plan.policy:
        raise DataError(f"policy: expected every setting, got {len(plan.policy)} of them; {AGAIN}")
    if policy.hash != plan.policy_hash:
        raise DataError(
            f"policy_hash: expected {policy.hash[:16]} (recomputed from the settings), got {plan.policy_hash[:16]}; "
            f"{AGAIN}"
        )
    if moment(plan.created) is None:
        raise DataError(f"created: expected a time with its zone in ISO 8601, got {plan.created!r}; {AGAIN}")


def moment(text: str) -> datetime | None:
    """The time that an ISO 8601 text with a zone names; None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _parse(content: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise DataError("expected every key once in an object, got one twice; give one value")
        return dict(pairs)

    def finite(number: str) -> float:
        value = float(number)
        if not isfinite(value):  # NaN, Infinity, 1e999
            raise DataError(f"expected finite numbers, got {number[:40]}; {AGAIN}")
        return value

    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=finite, parse_float=finite)
    except RecursionError:
        raise DataError("expected a plan as JSON, got brackets nested too deeply; give a plan file") from None
    except ValueError as error:
        raise DataError(f"expected a plan as JSON, got text that is not ({error}); give a plan file") from None
    if not isinstance(value, dict):
        raise DataError(f"expected a plan as a JSON object, got {type(value).__name__}; give a plan file")
    return value
