"""Fine-tuning on the retain set with a penalty on the size of all weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import Fraction, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.retain_phase import ContrastHost
from vestige.unlearners.shared.steps import Loss, Seen


def l1_norm(model: nn.Module) -> Tensor:
    """Sum of the absolute values of all trainable parameters: biases, scales and shifts included."""
    return torch.stack([parameter.abs().sum() for parameter in trainable(model)]).sum()


def penalty_at(penalty: float, epoch: int, penalised: int) -> float:
    """Weight of the norm in ``epoch`` (from 0): from ``penalty`` down a line to 0 at epoch ``penalised``, then 0."""
    return penalty * (1 - epoch / penalised) if epoch < penalised else 0.0


@register(
    "l1_sparse",
    description="Fine-tune on the retain set while a fading L1 penalty shrinks all weights.",
    citation="Jia et al. 2023, arXiv 2304.04934",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class L1Sparse(ContrastHost):
    """``min CE(f, D_r) + g_e |theta|_1`` with ``g_e = penalty (1 - e / P)`` in epochs e < P, and 0 afterwards.

    penalty: g at the start; 0 makes the method ``finetune``. free: share of the epochs at the end that have no penalty,
    so that P = epochs - round(free * epochs). penalty_epochs: P itself, at most all epochs, in place of ``free``; 4 in
    CoUn's comparison. The norm is over all trainable parameters, as in the released code, and enters as a subgradient:
    weights oscillate around zero by rate times g and none becomes exactly zero. What it does grows with rate x penalty
    x steps, so a penalty has to be chosen again when the number of steps changes. The recipe's weight decay stays on.

    Defaults: xs from a small trial on digits; s from the blind search (``vestige unlearn --tune``) on small CIFAR-10
    and Fashion-MNIST, where ten times the penalty cost CIFAR-10 eight points of accuracy; l has a penalty of 1e-4 and a
    tenth of the recipe's rate (0.01 at a peak of 0.1) from scripts around the released code, whose own command-line
    default of 0.2 ruins the network; the last fifth of the epochs without penalty and the values of m are proposals.
    The paper's other scheme, pruning first, is not offered. Batch normalisation trains, with the recipe's augmentation.

    Cost: epochs x retain images x 3 image passes.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=1.0, m=0.1, l=0.1),
        "share": BySize(xs=0.3, s=0.3, m=0.1, l=0.1, few_images=0.3),
        "penalty": BySize(xs=1e-3, s=1e-4, m=1e-4, l=1e-4),
    }
    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.3, 1.0, 2.0), "penalty": Scaled(0.1, 0.3, 1.0, 2.0)}

    penalty: Weight | None = None
    free: Fraction = 0.2
    penalty_epochs: Annotated[int, Field(ge=0)] | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` further under the fading penalty."""
        epochs, pool = self._epochs(task), Pool(task, "retain")
        steps = self._steps(model, task, epochs * self._batches(task, pool))
        penalised = self._penalised(epochs)
        for epoch in range(epochs):
            loss = _loss(task, penalty_at(filled(self.penalty), epoch, penalised))
            self._retain_pass(model, task, steps, pool, loss)
            task.report(epoch + 1, epochs)
        task.meter.stopped(f"budget ({epochs} epochs)")
        return model

    def _penalised(self, epochs: int) -> int:
        if self.penalty_epochs is not None:
            return min(self.penalty_epochs, epochs)
        return epochs - round(self.free * epochs)


def _loss(task: Task, penalty: float) -> Loss:
    def loss(network: Classifier, seen: Seen) -> Tensor:
        fit = retain_loss(seen.logits, seen.y, task.recipe)
        return fit if penalty == 0 else fit + penalty * l1_norm(network)

    return loss
