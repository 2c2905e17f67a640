"""A planting as a file: which canaries are in, with the digest that is to be written down before training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vestige.audit.results.canaries import MOST
from vestige.audit.statistics.one_run import Planting, plant
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import read_bounded, write_atomically

FORMAT: Literal["vestige-planting-1"] = "vestige-planting-1"
LARGEST = 8_000_000
"""Bytes of a file that is read."""


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
