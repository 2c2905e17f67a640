"""An attack of the registry, and what evidence it may require."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vestige.attacks.registry.entries import Scored
from vestige.attacks.registry.inputs import AttackInputs

AttackFunction = Callable[[AttackInputs, str], Scored]
NEEDS: Mapping[str, tuple[str, Callable[[AttackInputs], bool]]] = MappingProxyType(
    {
        "model": ("the model itself", lambda material: True),
        "retrains 2": ("2 retrains or more", lambda material: len(material.retrains) >= 2),
        "retrains 3": ("3 retrains or more", lambda material: len(material.retrains) >= 3),
        "original": ("the model before unlearning", lambda material: material.original is not None),
        "features": ("features of the examples", lambda material: material.features is not None),
        "shadows": ("a shadow bank (vestige shadows)", lambda material: material.shadows is not None),
        "views": (
            "a shadow bank with several views (key views of [shadows])",
            lambda material: material.shadows is not None and len(material.shadows.views) > 1,
        ),
        "unlearned": (
            "unlearned shadows (vestige shadows --unlearn CANDIDATE)",
            lambda material: material.shadows is not None and material.unlearned is not None,
        ),
    }
)
"""What an attack may require: in words, and how to tell that it is there."""


@dataclass(frozen=True)
class Attack:
    """A registered attack, higher = member.

    requires: a key of ``NEEDS``. role: in the verdict. signal: registry name of the signal it reads, or ``any``.
    function: ``(material, signal)`` to the scores of the retrains, then of the others, each retrain scored without
    itself as a reference. reference: the function of plain arrays that computes the scores.
    """

    name: str
    description: str
    citation: str
    requires: str
    role: str
    signal: str
    function: AttackFunction
    reference: Callable[..., Any]

    @property
    def explanation(self) -> str:
        """What it computes, from which arrays, and its source: the text of the function behind it."""
        return inspect.getdoc(self.reference) or ""

    @property
    def needs(self) -> str:
        """The evidence that it requires, in words."""
        return NEEDS[self.requires][0]

    def possible(self, material: AttackInputs) -> bool:
        """Whether the material holds that evidence."""
        return NEEDS[self.requires][1](material)

    def __call__(self, material: AttackInputs, signal: str | None = None) -> Scored:
        """Scores ``[K + P, n]`` of all models; signal: for an attack that reads any, by default the logit."""
        return self.function(material, (signal or "logit") if self.signal == "any" else self.signal)
