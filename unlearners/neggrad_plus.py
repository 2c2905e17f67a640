"""NegGrad+: descend on retain batches while ascending on forget batches."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize, filled
from vestige.unlearners.core.ranges import Fraction, Positive, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, check_finite_weights
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.retain_phase import ContrastHost
from vestige.unlearners.shared.steps import Seen, above_cap, autocast, train_mode


def neggrad_loss(retain: Tensor, forget: Tensor, beta: float) -> Tensor:
    """``beta * retain - (1 - beta) * forget`` of two mean cross-entropies."""
    return beta * retain - (1 - beta) * forget


@register(
    "neggrad_plus",
    description="Descend on retain batches and, with a small weight, ascend on forget batches.",
    citation="Kurmanji et al. 2023, arXiv 2302.09880",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class NegGradPlus(ContrastHost):
    """``L = beta * CE(b_r) - (1 - beta) * CE(b_f)``, one forget batch with each retain batch.

    beta: weight of the retain term; at 1 the forget term is skipped and the method is ``finetune``. clip: largest
    gradient norm while the forget term is in. cap: a forget batch whose loss exceeds ``cap * ln(classes)`` is left out
    of its step. The forget set is recycled with a fresh shuffle, so it is seen n_retain / n_forget times an epoch and
    beta has to be swept again when that share changes.
    l2_to_init: weight of ``|theta - theta_original|^2 / 2`` in the retain term, 0 for none (the authors' notebook).
    Defaults: xs and s from a small trial; l has the beta and the rate of the authors' code (0.95, and 0.01 at a peak of
    0.1), with a cosine schedule over a tenth of the recipe's epochs; m is a proposal.
    Two separate forward passes and batch statistics, as in the authors' training loop.

    Cost: epochs x (retain images + retain batches x forget batch) x 3 image passes.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=1.0, m=0.1, l=0.1),
        "share": BySize(xs=0.3, s=0.3, m=0.1, l=0.1, few_images=0.3),
        "beta": BySize(xs=0.9, s=0.94, m=0.98, l=0.95),
    }

    beta: Fraction | None = None
    clip: Positive | None = 1.0
    cap: Positive = 2.0
    l2_to_init: Weight = 0.0

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` on both sets."""
        beta = filled(self.beta)
        start = [parameter.detach().clone() for parameter in model.parameters()]

        def descend(network: Classifier, seen: Seen) -> Tensor:
            descent = retain_loss(seen.logits, seen.y, task.recipe)
            if self.l2_to_init == 0:
                return descent
            pairs = zip(network.parameters(), start, strict=True)
            distance = sum(
                ((now - before).square().sum() for now, before in pairs), torch.zeros((), device=seen.x.device)
            )
            return descent + 0.5 * self.l2_to_init * distance

        if beta == 1:
            return self._train_on_retain(model, task, descend)
        forget = Pool(task, "forget").recycled(self._batch_size(task))

        def loss(network: Classifier, seen: Seen) -> Tensor:
            descent = descend(network, seen)
            forget_x, forget_y = next(forget)
            with train_mode(network, frozen=self.bn != "train" or len(forget_y) == 1), autocast(task):
                ascent = F.cross_entropy(network(forget_x), forget_y)
            task.meter.forward("forget", len(forget_y))
            check_finite_weights(self.entry.name, "the forget loss", ascent.detach())
            if above_cap(ascent, self.cap, network.classes):
                return beta * descent
            task.meter.backward("forget", len(forget_y))
            return neggrad_loss(descent, ascent, beta)

        return self._train_on_retain(model, task, loss, clip=self.clip)
