"""Gradient ascent on the forget set."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.ranges import Positive
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, check_finite_weights
from vestige.unlearners.shared.forget_phase import ForgetPhase
from vestige.unlearners.shared.steps import Seen, above_cap


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

    cap: a batch whose loss exceeds ``cap * ln(classes)`` is left alone, because the loss has no upper bound. clip:
    largest gradient norm. The other hyper-parameters are those of ``ForgetPhase``; the rate is that of a whole pass and
    constant. There is no weight decay: during ascent it would shrink all weights. Batch normalisation uses its running
    statistics, where published codes let forget-only batches move them.

    What it cannot do: single examples are not forgotten this way. A memorised example has next to no gradient until the
    shared weights have been damaged, and then everything falls together: in this project's sweep forget accuracy came
    down to validation accuracy only in collapse, and what ends a run is nearly always the floor under utility. The
    membership signal hardly moves and up to ``max_utility_loss`` of accuracy is paid for it. Whole classes are no
    longer recognised, at a few percent of the other classes' accuracy, but stay visible to an attack.

    Defaults: rates of xs and s are a sweep of this project on digits (both settings, two seeds); below them nothing
    moves within 20 passes, above them a single pass can fall through the floor. Those of m and l are the 5 epochs at
    1e-4 of the Unlearn-Sparse code at a peak of 0.1, where 5,000 images made 20 batches; clip and cap are proposals.

    Cost: passes x forget images x 3 image passes, plus what the stopping rule reads (``StoppingRule``); a capped batch
    costs its forward pass only.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.7, s=0.02, m=0.02, l=0.02),
        "passes": BySize(xs=20, s=20, m=5, l=5, few_images=20),
    }

    clip: Positive | None = 1.0
    cap: Positive = 2.0

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Ascend in place."""

        def ascend(network: Classifier, seen: Seen) -> Tensor | None:
            loss = F.cross_entropy(seen.logits, seen.y)
            if above_cap(loss, self.cap, network.classes):
                check_finite_weights(self.entry.name, "the loss", loss.detach())
                return None
            return -loss

        return self._train_on_forget(model, task, ascend)
