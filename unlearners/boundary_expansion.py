"""Boundary Expansion: the forget images move to a class of their own, which is then cut off."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from learners import Classifier, DataError, torch_generator
from unlearners._base import STRICT
from unlearners._defaults import BySize
from unlearners._forget_phase import ForgetPhase
from unlearners._registry import register
from unlearners._steps import Seen
from unlearners._task import Task


def widened(head: nn.Linear, generator: torch.Generator) -> nn.Linear:
    """``head`` with one more output: its rows copied, the new row drawn like a fresh linear layer's (uniform within
    ``1 / sqrt(d)``) from the CPU ``generator``."""
    weight, features = head.weight, head.in_features
    wide = nn.Linear(
        features, head.out_features + 1, bias=head.bias is not None, device=weight.device, dtype=weight.dtype
    )
    bound = features**-0.5

    def grow(target: nn.Parameter, rows: nn.Parameter) -> None:
        row = (2 * torch.rand((1, *rows.shape[1:]), generator=generator) - 1) * bound
        with torch.no_grad():
            target.copy_(torch.cat([rows, row.to(rows)]))
        target.requires_grad_(rows.requires_grad)

    grow(wide.weight, weight)
    if head.bias is not None:
        grow(wide.bias, head.bias)
    return wide


def prune(wide: nn.Linear, head: nn.Linear) -> None:
    """Copy all rows of ``wide`` but the last into ``head``."""
    with torch.no_grad():
        head.weight.copy_(wide.weight[:-1])
        if head.bias is not None:
            head.bias.copy_(wide.bias[:-1])


@register(
    "boundary_expansion",
    description="Train the images of the class as a new class of their own, then cut that class off.",
    citation="Chen et al. 2023, arXiv 2303.11570 (Boundary Unlearning)",
    settings=("class",),
    reads=("forget", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class BoundaryExpansion(ForgetPhase):
    """``min CE(f+(x), C)`` over D_f."""

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.02, s=0.02, m=0.001, l=0.001),
        "passes": BySize(xs=10, s=10, m=10, l=10),
    }

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` with a shadow class and return it without."""
        if type(model.head) is not nn.Linear:
            raise DataError(
                f"{self.entry.name}: expected a model whose last layer is torch.nn.Linear, "
                f"got {type(model.head).__name__}; choose another method for it"
            )
        wide = Classifier(model.body, widened(model.head, torch_generator(task.seed, "shadow class")))

        def loss(network: Classifier, seen: Seen) -> Tensor:
            return F.cross_entropy(seen.logits, torch.full_like(seen.y, model.classes))

        return self._train_on_forget(wide, task, loss, judged=model, settle=lambda: prune(wide.head, model.head))
