"""Gradient ascent on the forget set."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor

from learners import Classifier
from unlearners._base import STRICT, refuse_unless_finite
from unlearners._defaults import BySize
from unlearners._forget_phase import ForgetPhase
from unlearners._ranges import Positive
from unlearners._registry import register
from unlearners._steps import Seen, above_cap
from unlearners._task import Task


@register(
    "gradient_ascent",
    description="Climb the loss of the forget set, until it is no better known than held-out data.",
    citation="Golatkar et al. 2020, arXiv 1911.04933 (NegGrad); Graves et al. 2021, arXiv 2010.10981; "
    "Thudi et al. 2022, arXiv 2109.13398",
    settings=("sample", "class", "subject"),
    reads=("forget", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class GradientAscent(ForgetPhase):
    """``theta <- theta + rate * grad CE(batch of D_f)``.

    rate: learning rate as a multiple of the recipe's, constant. passes: most passes over the forget set. batch_size:
    None for the recipe's. clip: largest gradient norm. cap: a batch whose loss exceeds ``cap * ln(classes)`` is left
    alone, because the loss has no upper bound. bn: running statistics by default, since forget-only batches would move
    them. max_utility_loss: fall of validation accuracy, a fraction, at which the last good state is restored.
    Weight decay is 0: during ascent it would shrink all weights.

    Defaults: rates of 5e-4 and, on large networks, 1e-4 at usual peaks; 20 passes on small networks and few images,
    else 5. The Unlearn-Sparse code has 5 epochs at 1e-4; the larger values are a sweep of this project, in which 1e-2
    destroyed the model.

    Cost: passes x forget images x 3 image passes, plus what the stopping rule reads (``StoppingRule``).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.005, s=0.01, m=0.001, l=0.001),
        "passes": BySize(xs=20, s=20, m=5, l=5, few_images=20),
    }

    clip: Positive | None = 1.0
    cap: Positive = 2.0

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Ascend in place."""

        def ascend(network: Classifier, seen: Seen) -> Tensor | None:
            loss = F.cross_entropy(seen.logits, seen.y)
            if above_cap(loss, self.cap, network.classes):
                refuse_unless_finite(self.entry.name, "the loss", loss.detach())
                return None
            return -loss

        return self._train_on_forget(model, task, ascend)
