"""The tables of ``audit.toml`` whose settings are one flat list each."""

from dataclasses import field
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, model_validator
from pydantic.dataclasses import dataclass

from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.files.toml import STRICT
from vestige.learners.errors import ConfigError
from vestige.learners.training.augmentations import parse_augmentations

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
    """``[data]``: source (see ``learners.SOURCES``); unseen_source: a second one, all of which becomes the test part;
    subset: training examples to draw; label_noise: share of labels to make wrong; seed: of both draws, None for the
    audit's; the rest goes to the sources."""

    source: Annotated[str, Field(min_length=1)]
    unseen_source: Annotated[str, Field(min_length=1)] | None = None
    subset: Count | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Seed | None = None
    download: bool = False
    image_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ForgetTable:
    """``[forget]``: exactly one of random (number or fraction), classes, subjects, file; unseen and validation: numbers
    or fractions, see ``learners.split_random``; seed: of the draw, None for the audit's; random_draw: whether
    the forget set is a random draw, None where nobody says so. Beside a file (see
    ``learners.read_selection``): retain and unseen_file, files as well; column, retain_column, unseen_column: what is
    meant in each."""

    random: Amount = None
    classes: Annotated[list[int | str], Field(min_length=1)] | None = None
    subjects: Annotated[list[str], Field(min_length=1)] | None = None
    file: str | None = None
    column: str | None = None
    retain: str | None = None
    retain_column: str | None = None
    unseen_file: str | None = None
    unseen_column: str | None = None
    unseen: Amount = None
    validation: Annotated[int | float, _amount(0, optional=False)] = 0
    seed: Seed | None = None
    random_draw: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("random", "classes", "subjects", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of the keys random, classes, subjects, file (found: {', '.join(given) or 'none'})"
            )
        needs_file = [name for name in ("column", "retain", "unseen_file") if getattr(self, name) is not None]
        if self.file is None and needs_file:
            raise ValueError(f"{needs_file[0]} only together with file (found: {given[0]})")
        for role in ("retain", "unseen_file"):
            column = f"{role.removesuffix('_file')}_column"
            if getattr(self, column) is not None and getattr(self, role) is None:
                raise ValueError(f"{column} only together with {role}")
        if self.unseen_file is not None and self.unseen is not None:
            raise ValueError("either unseen or unseen_file (found: both)")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RetrainsTable:
    """``[retrains]``: how many models are trained without the forget set; 5 to 10 are recommended, 2 the floor
    unless the forget set is a random draw."""

    count: Annotated[int, Field(ge=0, le=1000)] = 5


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
                parse_augmentations(self.views)
            except ConfigError as error:
                raise ValueError(str(error).removeprefix("views: expected ")) from None
        return self
