"""Boundary Shrink: every forget image becomes what lies across its nearest decision boundary."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from pydantic.dataclasses import dataclass

from learners import Classifier
from unlearners._base import STRICT
from unlearners._boundary import neighbours
from unlearners._defaults import BySize
from unlearners._forget_phase import ForgetPhase
from unlearners._ranges import Fraction
from unlearners._registry import register
from unlearners._task import Task


@register(
    "boundary_shrink",
    description="Train each image of the class as the wrong class that lies nearest to it.",
    citation="Chen et al. 2023, arXiv 2303.11570 (Boundary Unlearning)",
    settings=("class",),
    reads=("forget", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class BoundaryShrink(ForgetPhase):
    """``min CE(f(x), y')`` over D_f."""

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.02, s=0.02, m=0.001, l=0.001),
        "passes": BySize(xs=10, s=10, m=10, l=10),
    }

    epsilon: Fraction = 0.1
    exclude_true: bool = True

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` on the neighbouring classes of the forget images."""
        name = self.entry.name
        return self._train_on_forget(
            model,
            task,
            lambda network, seen: F.cross_entropy(seen.logits, seen.y),
            targets=lambda: neighbours(model, task, name, epsilon=self.epsilon, exclude_true=self.exclude_true),
        )
