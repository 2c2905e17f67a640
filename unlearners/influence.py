"""Influence functions: one Newton step towards the weights that the retain set alone would have given."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.seeds import numpy_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Count, Fraction, Positive, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner, check_finite_weights
from vestige.unlearners.shared.gradients import (
    Reading,
    batch_count,
    flat,
    flat_rows,
    like_weights,
    per_sample_gradients,
    summed_gradient,
)
from vestige.unlearners.shared.inverse import Curvature, conjugate_gradients, damped_product, single_vector, woodbury
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import Batch, Pool

GRADIENT_BYTES = 2**29
"""Largest matrix of single images' gradients that ``solver="auto"`` still builds: half a gibibyte."""


@register(
    "influence",
    description="One Newton step towards the optimum of the retain set, by influence functions.",
    citation="Koh and Liang 2017, arXiv 1703.04730; Izzo et al. 2021, arXiv 2002.10077; Jia et al. 2023, "
    "arXiv 2304.04934 (IU)",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Influence(Unlearner):
    """``theta <- theta + alpha H^-1 v`` with ``v = sum_f g / N - n_f sum_r g / (N n_r)``, N = n_f + n_r.

    g are gradients of the loss that the original was trained with, label smoothing included. At a minimum of that loss
    on all data -v is its gradient on the retain set, weight decay included, so alpha 1 is one Newton step.

    alpha: length of the step; 0 returns the original and reads nothing. damping: added to the diagonal of H. samples:
    retain images, drawn at random, whose curvature H is. curvature: ``fisher``, the mean of g g^T over them, or
    ``gauss_newton``, the mean of J^T (diag(p) - p p^T) J with the Jacobian J of the logits. solver: ``woodbury`` holds
    samples x P gradients in float32 and solves exactly; ``cg`` runs conjugate gradients without them, at most
    ``iterations``, until the residual is ``tolerance`` of v. ``auto`` takes the first for ``fisher`` while that matrix
    stays within 512 MiB (P trainable weights, so 130,000 of them at 1,000 samples), otherwise the second.
    mode: ``inverse`` is the formula; ``optml`` is the loop of a published code, which ends as theta + alpha v but for
    one direction (``single_vector``), kept to compare with published numbers; H's other settings do not matter to it.
    batch_size: None for the recipe's; memory only.

    Defaults: xs and s are a sweep of this project, the smallest damping that kept most of the accuracy; alpha 10 of l
    is what published codes use on CIFAR-10 (1 to 20 elsewhere), with the damping 1 that their start implies; m is a
    proposal. One step of first order cannot undo the memory of a tenth of the data: a random forget set is hidden a
    little, at a price in accuracy. ``gauss_newton`` paid less for more in that sweep, at several times the cost on a
    network with convolutions (alpha 1 with a damping of 0.003 to 0.01).

    Batch normalisation: running statistics are used and stay; scale and shift move.

    Cost: 3 image passes for each forget and retain image, and for each of m = min(samples, retain images) 3 more, or 6
    for each iteration with ``cg`` (a tangent pass is counted as a backward pass, which costs as much).
    """

    step_parameter: ClassVar[str] = "alpha"
    search: ClassVar[Mapping[str, Grid]] = {
        "alpha": Scaled(0.3, 1.0, 3.0),
        "damping": Scaled(0.1, 1.0, 10.0),
        "curvature": Among("fisher", "gauss_newton"),
    }
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "alpha": BySize(xs=1.0, s=1.0, m=5.0, l=10.0),
        "damping": BySize(xs=0.03, s=0.2, m=1.0, l=1.0),
    }
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {"damping": BySize(xs=0.006, s=0.2, m=1.0, l=1.0)}

    alpha: Weight | None = None
    damping: Positive | None = None
    samples: Annotated[int, Field(ge=1)] = 1_000
    mode: Literal["inverse", "optml"] = "inverse"
    curvature: Curvature = "fisher"
    solver: Literal["auto", "woodbury", "cg"] = "auto"
    iterations: Count = 20
    tolerance: Fraction = 1e-3
    batch_size: BatchSize | None = None

    @model_validator(mode="after")
    def _woodbury_needs_single_gradients(self) -> Self:
        if self.curvature == "gauss_newton" and self.solver == "woodbury":
            raise ValueError("solver auto or cg with curvature = gauss_newton")
        return self

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Take the step in place."""
        task.meter.stopped("single shot")
        if filled(self.alpha) == 0:
            return model
        batch_size, solver = self.batch_size or task.recipe.batch_size, self._solver(model.eval(), task)
        sizes = [len(task.forget), len(task.retain)]
        count = min(self.samples, len(task.retain))
        solving = self.iterations if solver == "cg" else batch_count(count, batch_size)
        reading = Reading(task, sum(batch_count(size, batch_size) for size in sizes) + solving)
        v = self._direction(model, task, reading, batch_size)
        step = filled(self.alpha) * self._solve(model, task, reading, v, solver)
        check_finite_weights(self.entry.name, "the step", step, self.step_parameter)
        with torch.no_grad():
            for weight, part in zip(trainable(model), like_weights(model, step), strict=True):
                weight.add_(part)
        return model

    def _solver(self, model: Classifier, task: Task) -> Literal["optml", "woodbury", "cg"]:
        if self.mode == "optml":
            return "optml"
        if self.solver != "auto":
            return self.solver
        size = 4 * min(self.samples, len(task.retain)) * sum(weight.numel() for weight in trainable(model))
        return "woodbury" if self.curvature == "fisher" and size <= GRADIENT_BYTES else "cg"

    def _direction(self, model: Classifier, task: Task, reading: Reading, batch_size: int) -> Tensor:
        """v ``[P]``."""
        smoothing, n = task.recipe.label_smoothing, task.training_images
        pools = Pool(task, "forget", augment=False), Pool(task, "retain", augment=False)
        forget, retain = (
            flat(summed_gradient(model, reading.of(pool, batch_size), smoothing=smoothing)) for pool in pools
        )
        return forget / n - len(task.forget) / (n * len(task.retain)) * retain

    def _solve(self, model: Classifier, task: Task, reading: Reading, v: Tensor, solver: str) -> Tensor:
        """``H^-1 v``."""
        batch_size, smoothing = self.batch_size or task.recipe.batch_size, task.recipe.label_smoothing
        count = min(self.samples, len(task.retain))
        chosen = np.sort(numpy_generator(task.seed, "influence", "images").permutation(task.retain)[:count])
        pool = Pool(task, "retain", indices=chosen, augment=False)

        def rows() -> Iterator[Tensor]:
            for x, y in reading.of(pool, batch_size):
                yield from (flat_rows(chunk) for chunk in per_sample_gradients(model, x, y, smoothing=smoothing))

        if solver == "optml":
            return single_vector((row for chunk in rows() for row in chunk), v, count)
        if solver == "woodbury":
            gradients, start = v.new_empty(count, len(v)), 0
            for chunk in rows():
                gradients[start : start + len(chunk)] = chunk
                start += len(chunk)
            return woodbury(gradients, v, filled(self.damping))

        def batches() -> Iterator[Batch]:
            task.meter.forward("retain", 2 * count)
            task.meter.backward("retain", 2 * count)
            yield from pool.plain(batch_size)
            reading.step()

        product = damped_product(
            model, batches, count, filled(self.damping), curvature=self.curvature, smoothing=smoothing
        )
        solution = conjugate_gradients(product, v, iterations=self.iterations, tolerance=self.tolerance)
        task.meter.note(
            f"conjugate gradients: {solution.iterations} of at most {self.iterations} iterations, "
            f"residual {solution.residual:.1e} of the right side"
        )
        return solution.x
