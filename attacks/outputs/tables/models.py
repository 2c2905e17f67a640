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
    found = _MODEL.fullmatch(text.strip())
    if found is None:
        return None
    return Model(found[1]) if found[1] else Model(found[2], int(found[3] or 0))


def parse_column(name: str) -> tuple[Model, str] | None:
    """Model and class of a column such as ``retrain_1_0`` of a wide table, or None."""
    found = _COLUMN.fullmatch(name)
    model = parse_model(found[1]) if found else None
    return (model, found[2]) if found and model else None


def ordered(models: Sequence[Model], place: str) -> list[Model]:
    """The models as ``Outputs`` has them: candidate, original, retrains and shadows by number."""
    if Model("candidate") not in models:
        raise DataError(f"{place}: expected a model called candidate, got {', '.join(map(str, models[:12])) or 'none'}")
    kinds = ("candidate", "original", "retrain", "shadow")
    return sorted(models, key=lambda model: (kinds.index(model.kind), model.number))
