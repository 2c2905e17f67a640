"""An attack of the registry, and what evidence it may require."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.learners.arrays import Floats, Logits, Mask


@dataclass(frozen=True, eq=False)
class Scored:
    """scores: float64 ``[K + P, n]``, retrains first; higher = member. judged: bool ``[n]``, the examples on which they
    are defined: all, except for attacks whose shadows say something about some only (elsewhere the scores are 0).
    remark: what a reader should know of this run, or nothing."""

    scores: Floats
    judged: Mask
    remark: str = ""

    @classmethod
    def everywhere(cls, scores: Floats, remark: str = "") -> "Scored":
        """Scores that are defined on all examples."""
        return cls(scores, np.ones(scores.shape[-1], np.bool_), remark)


AttackFunction = Callable[[AttackInputs, str], Scored]
BankFunction = Callable[[ShadowBank, Mask, str], Logits]
NEEDS: Mapping[str, tuple[str, Callable[[AttackInputs], bool]]] = MappingProxyType(
    {
        "model": ("the model itself", lambda inputs: True),
        "retrains 2": ("2 retrains or more", lambda inputs: len(inputs.retrains) >= 2),
        "retrains 3": ("3 retrains or more", lambda inputs: len(inputs.retrains) >= 3),
        "original": ("the model before unlearning", lambda inputs: inputs.original is not None),
        "features": ("features of the examples", lambda inputs: inputs.features is not None),
        "shadows": ("a shadow bank (vestige shadows)", lambda inputs: inputs.shadows is not None),
        "augmentations": (
            "a shadow bank with several augmentations (key views of [shadows])",
            lambda inputs: inputs.shadows is not None and len(inputs.shadows.augmentations) > 1,
        ),
        "unlearned": (
            "unlearned shadows (vestige shadows --unlearn CANDIDATE)",
            lambda inputs: inputs.shadows is not None and inputs.unlearned is not None,
        ),
    }
)
"""What an attack may require: in words, and how to see whether it is there."""


@dataclass(frozen=True)
class Attack:
    """A registered attack, higher = member.

    requires: a key of ``NEEDS``. function: ``(inputs, signal)`` to the scores of the retrains, then of the others, each
    retrain scored without itself as a reference. reference: the function of plain arrays that computes the scores.
    on_shadows: the same attack with every shadow of a bank in turn as the target, ``(bank, calibration, signal)`` to
    scores ``[N, n]``; None where it needs more than a bank, or a network for each target. role: in the verdict. signal:
    registry name of the signal it reads, or ``any``.
    """

    name: str
    description: str
    citation: str
    requires: str
    function: AttackFunction
    reference: Callable[..., Any]
    on_shadows: BankFunction | None = None
    role: str = "report only"
    signal: str = "logit"

    @property
    def explanation(self) -> str:
        """What it computes, from which arrays, and its source: the text of the function behind it."""
        return inspect.getdoc(self.reference) or ""

    @property
    def needs(self) -> str:
        """The evidence that it requires, in words."""
        return NEEDS[self.requires][0]

    def possible(self, inputs: AttackInputs) -> bool:
        """Whether the inputs hold that evidence."""
        return NEEDS[self.requires][1](inputs)

    def __call__(self, inputs: AttackInputs, signal: str | None = None) -> Scored:
        """Scores ``[K + P, n]`` of all models; signal: for an attack that reads any, by default the logit."""
        return self.function(inputs, (signal or "logit") if self.signal == "any" else self.signal)
