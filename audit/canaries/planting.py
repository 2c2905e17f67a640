"""Canaries of an audit: drawn and planted before anything is trained."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from vestige.audit.canaries.planting_file import read_planting, write_planting
from vestige.audit.files.toml import STRICT
from vestige.audit.statistics.one_run import Planting, plant
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import numpy_generator


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
            "classes would change what the methods are asked: leave the table out, or forget at random"
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
