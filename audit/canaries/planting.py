"""Canaries of an audit: drawn, planted, and written down as a file before anything is trained."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vestige.audit.files.toml import STRICT
from vestige.audit.results.canaries import MOST
from vestige.audit.statistics.one_run import Planting, plant
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import read_bounded, write_atomically
from vestige.learners.seeds import numpy_generator

FORMAT: Literal["vestige-planting-1"] = "vestige-planting-1"
LARGEST = 8_000_000
"""Bytes of a file that is read."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CanariesTable:
    """``[canaries]``: count: examples for which a coin decides whether they are trained on and then forgotten; labels:
    whether their labels are made wrong, so that they must be memorised; seed: of all draws, None for the audit's."""

    count: Annotated[int, Field(ge=10, le=100_000)]
    labels: Literal["wrong", "as they are"] = "wrong"
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


def plant_canaries(table: CanariesTable, seed: int, examples: Examples, split: Split) -> tuple[Examples, Split]:
    """Examples and split with canaries, which are taken out of the retain set.

    Candidates are drawn from the training examples of no other role, a fair coin each decides who is in. In and out are
    treated alike in all else: with ``labels = "wrong"`` every candidate's label becomes another one, drawn uniformly.
    seed: of all draws. Raises ConfigError where whole classes are to be forgotten, which a canary of another class
    would not belong to, and where too few examples are left to retain.
    """
    if split.setting == "class":
        raise ConfigError(
            "canaries: expected a forget set of single examples or people, got whole classes; canaries of other "
            "classes would change what the methods have to forget: leave the table out, or forget at random"
        )
    if table.count >= len(split.retain):
        raise ConfigError(
            f"canaries.count: expected fewer than the {len(split.retain)} training examples without another role, got "
            f"{table.count}; plant fewer"
        )
    drawn = np.sort(numpy_generator(seed, "canary candidates").choice(split.retain, table.count, replace=False))
    if table.labels == "wrong":
        if examples.classes < 2:
            raise ConfigError('canaries.labels: expected "as they are" for data of one class, got "wrong"')
        labels = examples.labels.copy()
        shift = numpy_generator(seed, "canary labels").integers(1, examples.classes, table.count)
        labels[drawn] = (labels[drawn] + shift) % examples.classes
        examples = replace(examples, labels=labels)
    included = plant(table.count, seed).included
    retain = np.setdiff1d(split.retain, drawn)
    return examples, replace(split, retain=retain, canaries_in=drawn[included], canaries_out=drawn[~included])


def canary_rows(split: Split) -> Indices:
    """All canaries, rising: the order in which the planting counts them."""
    return np.sort(np.concatenate([split.canaries_in, split.canaries_out]))


def register_planting(folder: Path, planting: Planting, rows: Indices) -> str:
    """Digest that was written down first for this planting, in ``planting-DIGEST.json``; nothing there is overwritten.

    DataError when the file cannot be read or holds another planting."""
    path = folder / f"planting-{planting.digest[:16]}.json"
    if not path.exists():
        write_planting(path, planting, rows.tolist())
    registered = read_planting(path).digest
    if registered != planting.digest:
        raise DataError(f"{path}: expected the planting of this audit, got another; remove the file")
    return registered


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class PlantingFile:
    """The content. included: numbers of the canaries that are in, rising, from 0. examples: index of every canary in
    the data, where an audit drew them."""

    format: Literal["vestige-planting-1"]
    assignment: Literal["coin", "half", "observed"]
    canaries: Annotated[int, Field(ge=1, le=MOST)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    included: list[Annotated[int, Field(ge=0, lt=MOST)]]
    examples: list[Annotated[int, Field(ge=0, lt=2**63)]] | None = None


def write_planting(path: Path, planting: Planting, examples: Sequence[int] | None = None) -> None:
    """Write the planting so that its owner alone can read it: it tells the whole assignment."""
    content = {
        "format": FORMAT,
        "assignment": "coin",
        "canaries": len(planting.included),
        "seed": planting.seed,
        "digest": planting.digest,
        "included": np.flatnonzero(planting.included).tolist(),
        "examples": None if examples is None else [int(index) for index in examples],
    }
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), mode=0o600)


def read_planting(path: Path) -> Planting:
    """The planting in a file of ``write_planting``.

    ConfigError where the file says that membership was not drawn by coins, which bounds nothing; DataError for a file
    that cannot be read, an assignment that its seed does not give, and a digest that is not theirs.
    """
    try:
        content = TypeAdapter(PlantingFile).validate_json(read_bounded(path, LARGEST, "a planting"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise DataError(
            f"{path}: expected a planting as vestige canaries plant writes it, got {where[:80]}: {first['msg'][:160]}; "
            "give that file"
        ) from None
    if content.assignment != "coin":
        raise ConfigError(
            f"{path}: expected membership drawn by a coin for each canary before training, got membership that was "
            f"{'only observed' if content.assignment == 'observed' else 'drawn otherwise (a random half)'}; it bounds "
            "no epsilon here: plant canaries before the next training"
        )
    drawn = plant(content.canaries, content.seed)
    if np.flatnonzero(drawn.included).tolist() != content.included:
        raise DataError(
            f"{path}: expected the assignment that the coins of its seed give, got another; use the file that was "
            "written before training"
        )
    if drawn.digest != content.digest:
        raise DataError(
            f"{path}: expected the digest {drawn.digest[:16]} of its seed and assignment, got {content.digest[:16]}; "
            "use the file that was written before training"
        )
    return drawn
