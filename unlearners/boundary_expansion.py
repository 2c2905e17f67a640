"""Boundary Expansion: the forget images move to a class of their own, which is then cut off."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vestige.learners.errors import DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.forget_phase import ForgetPhase
from vestige.unlearners.shared.steps import Seen


def widened(head: nn.Linear, generator: torch.Generator) -> nn.Linear:
    """``head`` with one more output: its rows copied, the new row drawn like a fresh linear layer's (uniform within
    ``1 / sqrt(d)``) from the CPU ``generator``."""
    weight, features = head.weight, head.in_features
    wide = nn.Linear(
        features, head.out_features + 1, bias=head.bias is not None, device=weight.device, dtype=weight.dtype
    )
    bound = features**-0.5

    def grow(target: Tensor, rows: Tensor) -> None:
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
    """``min CE(f+(x), C)`` over D_f, where f+ has a freshly drawn output C with the C old ones, cut off at the end.

    All parameters train. The hyper-parameters are those of ``ForgetPhase``; the rate is that of a whole pass. The
    stopping rule reads the network without the extra output: what has been pushed down is only the class's share of the
    softmax, so a network that predicts C may still predict the class when C is gone.

    The extra output is cut off, as in the authors' code; another published code keeps it and evaluates it. The new row
    is drawn as in any fresh linear layer, so its logit starts near 0 below the class's own. Batch normalisation uses
    its running statistics, where the code lets batches of one class move them. Without retain images the class goes
    unrecognised but stays visible to an attack. Raises DataError for a network whose last layer is not linear.

    Defaults: rates of xs and s and the 20 passes are a sweep of this project on digits, where the rule held after 4 to
    7 passes; on a small network for CIFAR-10 twice the rate did the same in 5. Larger ones cost other classes. Rates of
    m and l stand for the code's 1e-5 a step on 5,000 images in batches of 64 (79 steps a pass, peak 0.1), which does
    little on strongly trained networks.

    Cost: passes x forget images x 3 image passes, plus what the stopping rule reads (``StoppingRule``).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.01, s=0.004, m=0.01, l=0.01),
        "passes": BySize(xs=20, s=20, m=10, l=10),
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
