"""Fisher forgetting: noise where the retain set does not need the weights."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.seeds import numpy_generator, torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.gradients import Gradients, Reading, batch_count, fisher_sum, trainable_names, weights_of
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import Pool

Exponent = Literal["code", "theory"]

CLASS_ROW_VARIANCE = 1e-4
"""Of the noise that takes the place of a forgotten class's row, before the last layer's factor of 10."""


def noise_variance(
    diagonal: Tensor, alpha: float, *, last: bool, exponent: Exponent = "code", forgotten: Sequence[int] = ()
) -> Tensor:
    """Variance of the noise on one parameter, in the shape of its Fisher ``diagonal``.

    ``alpha * min(1 / (F + 1e-8), 1e3)``, the bound 1e2 in the last layer (``last``), its square root before alpha for
    ``exponent="theory"``; then averaged over dimension 1 where there is one, 1e-4 in the rows of ``forgotten`` classes
    of the last layer, and times 10 in the last layer and in one-dimensional parameters. Source: the released code of
    Golatkar et al. 2020.
    """
    inverse = (1 / (diagonal + 1e-8)).clamp(max=1e2 if last else 1e3)
    variance = alpha * (inverse if exponent == "code" else inverse.sqrt())
    if variance.ndim > 1:
        variance = variance.mean(1, keepdim=True).expand_as(variance).clone()
    if last and forgotten:
        variance[list(forgotten)] = CLASS_ROW_VARIANCE
    return 10 * variance if last or variance.ndim <= 1 else variance


@register(
    "fisher",
    description="Add noise to every weight, the more the less the retain set depends on it.",
    citation="Golatkar et al. 2020, arXiv 1911.04933",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Fisher(Unlearner):
    """``theta <- mu + sqrt(v) n``, n standard normal and v from the Fisher diagonal of D_r; see ``noise_variance``.

    alpha: scale of the variance; 0 returns the original and reads nothing. exponent: v proportional to 1 / F as in the
    released code (``code``), or to its square root as in the paper's bound (``theory``, whose alpha has another scale).
    exact: the expectation over all labels in place of one label drawn from the network's own prediction. images: most
    retain images that are measured, drawn at random; None for all. batch_size: None for the recipe's; memory only.

    The code is followed in all but two things: labels are drawn by default (``exact=True, images=None`` is what it
    does), and the last layer is known by its place, not by having as many rows as there are classes, which a
    convolution may have too. mu is the original's weight; where whole classes are to be forgotten, it is 0 in their
    rows of the last layer, bias included, with a variance of 1e-3. That noise does not depend on alpha.

    Default alpha: the largest that cost one to three points of accuracy, for xs in a sweep of this project on digits,
    for s in the blind search (``vestige unlearn --tune``) on small CIFAR-10 and Fashion-MNIST; l is the value in use in
    the released code, m a proposal. No alpha made members of a random forget set harder to detect without
    a loss of accuracy; whole classes are forgotten by the reset of their rows, at any alpha above 0.

    Batch normalisation: running statistics are used and stay; scale and shift get noise.
    Cost: 3 image passes for each of m = min(images, retain images), or m x (1 + 2 x classes) with ``exact``.
    """

    step_parameter: ClassVar[str] = "alpha"
    search: ClassVar[Mapping[str, Grid]] = {"alpha": Scaled(0.01, 0.1, 1.0, 10.0)}
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {"alpha": BySize(xs=1e-6, s=3e-7, m=1e-7, l=1e-6)}
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {"alpha": BySize(xs=1e-7, s=2e-7, m=1e-7, l=1e-6)}

    alpha: Weight | None = None
    exponent: Exponent = "code"
    exact: bool = False
    images: Annotated[int, Field(ge=1)] | None = 5_000
    batch_size: BatchSize | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Add the noise in place."""
        task.meter.stopped("single shot")
        if filled(self.alpha) == 0:
            return model
        diagonals = self._diagonal(model.eval(), task)
        stream = torch_generator(task.seed, "fisher", "noise")
        with torch.no_grad():
            for name, weight, diagonal in zip(trainable_names(model), trainable(model), diagonals, strict=True):
                last = name.startswith("head.")
                rows = task.forgotten_classes if last else ()
                variance = noise_variance(
                    diagonal, filled(self.alpha), last=last, exponent=self.exponent, forgotten=rows
                )
                noise = torch.randn(weight.shape, generator=stream).to(weight)
                if rows:
                    weight[list(rows)] = 0
                weight.add_(variance.sqrt() * noise)
        return model

    def _diagonal(self, model: Classifier, task: Task) -> Gradients:
        """Mean over the measured retain images."""
        count = len(task.retain) if self.images is None else min(self.images, len(task.retain))
        chosen = np.sort(numpy_generator(task.seed, "fisher", "images").permutation(task.retain)[:count])
        pool = Pool(task, "retain", indices=chosen, augment=False)
        labels = torch_generator(task.seed, "fisher", "labels")
        batch_size = self.batch_size or task.recipe.batch_size
        reading = Reading(task, batch_count(count, batch_size))
        total = tuple(torch.zeros_like(weight) for weight in weights_of(model))
        for x, y in reading.of(pool, batch_size, backward=model.classes if self.exact else 1):
            uniforms = None if self.exact else torch.rand(len(y), generator=labels)
            for sum_, part in zip(total, fisher_sum(model, x, uniforms), strict=True):
                sum_ += part / count
        return total
