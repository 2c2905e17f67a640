"""Selective Synaptic Dampening: shrink the weights that matter to the forget set far more than to all data."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.seeds import numpy_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Positive
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner, check_finite_weights
from vestige.unlearners.shared.gradients import Gradients, batch_count, batch_gradient, squared_gradients, weights_of
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import unaugmented

Importance = Literal["batch", "per_sample"]


def dampened(weight: Tensor, everywhere: Tensor, forget: Tensor, alpha: float, lam: float) -> Tensor:
    """``weight * min(lam * I_D / I_f, 1)`` where ``I_f > alpha * I_D``, else the same bits; tensors of one shape.

    everywhere, forget: the importances I_D and I_f, not negative. An I_f of 0 selects nothing, so no zero divides.
    """
    chosen = forget > alpha * everywhere
    factor = (lam * everywhere / torch.where(chosen, forget, torch.ones_like(forget))).clamp(max=1)
    return torch.where(chosen, weight * factor, weight)


@register(
    "ssd",
    description="Shrink the weights that matter far more to the forget set than to all training data.",
    citation="Foster et al. 2024, arXiv 2308.07707",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class SSD(Unlearner):
    """Where ``I_f > alpha I_D``: ``theta <- theta min(lam I_D / I_f, 1)``; see ``dampened``.

    I is the mean of squared gradients of cross-entropy, over the forget set (I_f) or over all training data, forget
    set included (I_D). alpha: how many times more important a weight must be. lam: of the damping. importance: squares
    of batch means, as published, or of single images (``per_sample``), which do not depend on the batch size; alpha
    has another scale there, since no I_f exceeds I_D times n / n_f. batch_size: None for the recipe's, in both sets the
    forget set's size where that is smaller, because the square of a mean depends on how many it is over.

    The released code gives a short last batch the weight of a full one and reads the retain set before the forget set;
    here batches count by their images and hold both roles, shuffled, so that forget images keep their share of every
    batch. Its exponent and lower bound (both 1) are fixed.

    Defaults: alpha of l is the authors' for ResNet-18; m is a proposal; xs and s are a sweep of this project, the
    largest effect at a small loss of accuracy. A random forget set is hardly touched until the model suffers; whole
    classes are forgotten (on the small convolutional network only in a narrow range of alpha).

    Batch normalisation: running statistics are used and stay; scale and shift may be dampened.
    Nothing can diverge, since no weight grows. Cost: (n_forget + n) x 3 image passes.
    """

    step_parameter: ClassVar[str] = "alpha"
    search: ClassVar[Mapping[str, Grid]] = {"alpha": Scaled(0.3, 1.0, 3.0, 10.0), "lam": Scaled(0.1, 1.0, 5.0)}
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {"alpha": BySize(xs=3.0, s=2.0, m=10.0, l=10.0)}
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {"alpha": BySize(xs=10.0, s=80.0, m=10.0, l=10.0)}

    alpha: Positive | None = None
    lam: Positive = 1.0
    importance: Importance = "batch"
    batch_size: BatchSize | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Dampen in place."""
        task.meter.stopped("single shot")
        model.eval()
        size = min(self.batch_size or task.recipe.batch_size, len(task.forget))
        both = np.concatenate([task.forget, task.retain])
        steps = (batch_count(len(task.forget), size), batch_count(len(both), size))
        forget = self._importances(model, task, task.forget, size, steps=(0, sum(steps)))
        everywhere = self._importances(model, task, both, size, steps=(steps[0], sum(steps)))
        moved = 0
        with torch.no_grad():
            for weight, of_forget, overall in zip(trainable(model), forget, everywhere, strict=True):
                check_finite_weights(
                    self.entry.name, "the importances", torch.stack([of_forget, overall]), self.step_parameter
                )
                after = dampened(weight, overall, of_forget, filled(self.alpha), self.lam)
                moved += int((after != weight).sum())
                weight.copy_(after)
        task.meter.note(f"{moved} of {sum(weight.numel() for weight in trainable(model))} weights were dampened")
        return model

    def _importances(
        self, model: Classifier, task: Task, indices: Indices, size: int, *, steps: tuple[int, int]
    ) -> Gradients:
        """Mean of squared gradients over all images; steps: how many are done, and how many there are."""
        done, total = steps
        result = tuple(torch.zeros_like(weight) for weight in weights_of(model))
        for x, y in _batches(task, indices, size):
            if self.importance == "per_sample":
                squares = squared_gradients(model, x, y)
            else:
                squares = tuple(len(y) * part.square() for part in batch_gradient(model, x, y))
            for sum_, part in zip(result, squares, strict=True):
                sum_ += part / len(indices)
            done += 1
            task.report(done, total)
        return result


def _batches(task: Task, indices: Indices, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled, un-augmented batches of both roles, each image counted for its role."""
    shuffled = numpy_generator(task.seed, "ssd", "order").permutation(indices)
    of_forget = np.isin(shuffled, task.forget)
    batches = unaugmented(task, shuffled)
    for number, (x, y) in enumerate(batches.plain(size)):
        yield x, y
        forgotten = int(of_forget[number * size : (number + 1) * size].sum())
        task.meter.forward("forget", forgotten)
        task.meter.backward("forget", forgotten)
        task.meter.forward("retain", len(y) - forgotten)
        task.meter.backward("retain", len(y) - forgotten)
