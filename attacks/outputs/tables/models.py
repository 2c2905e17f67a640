"""How models are called in tables: ``candidate``, ``original``, ``retrain-1``, ``shadow_2``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vestige.learners.errors import DataError

_MODEL = re.compile(r"(candidate|original)|(retrain|shadow)(?:[-_ ]?([0-9]{1,9}))?")
_COLUMN = re.compile(r"(candidate|original|(?:retrain|shadow)[-_ ]?[0-9]{1,9})_(.+)")


@dataclass(frozen=True, order=True)
class Model:
    """kind: candidate, original, retrain or shadow. number: of a retrain or shadow; 0 where it has none."""

    kind: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.number}" if self.number else self.kind


def parse_model(text: str) -> Model | None:
    """The model called ``text``, or None."""
    match = _MODEL.fullmatch(text.strip())
    if match is None:
        return None
    return Model(match[1]) if match[1] else Model(match[2], int(match[3] or 0))


def parse_column(name: str) -> tuple[Model, str] | None:
    """Model and class of a column such as ``retrain_1_0`` of a wide table, or None."""
    match = _COLUMN.fullmatch(name)
    model = parse_model(match[1]) if match else None
    return (model, match[2]) if match and model else None


def ordered(models: Sequence[Model], place: str) -> list[Model]:
    """The models as ``Outputs`` has them: candidate, original, retrains and shadows by number."""
    if Model("candidate") not in models:
        raise DataError(f"{place}: expected a model called candidate, got {', '.join(map(str, models[:12])) or 'none'}")
    kinds = ("candidate", "original", "retrain", "shadow")
    return sorted(models, key=lambda model: (kinds.index(model.kind), model.number))
