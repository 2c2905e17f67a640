"""L-CODEC: for each forget example a Newton step on the few units that its loss depends on."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator, torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import Count, Fraction, Positive
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner, check_finite_weights
from vestige.unlearners.shared.codec import foci
from vestige.unlearners.shared.gradients import full_precision
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.pool import Pool, unaugmented
from vestige.unlearners.shared.slices import (
    Curvature,
    Layer,
    Unit,
    activations,
    largest_slices,
    last_layers,
    listening,
    newton_direction,
    owns_bias,
    read_slice,
    require_room,
    units_of,
    write_slice,
)
from vestige.unlearners.shared.stopping import ROUNDING, accuracy

AT_ONCE = 250
"""Copies in one forward pass."""


def noise_deviation(epsilon: float, delta: float, damping: float, n: int) -> float:
    """Standard deviation of the noise on every weight: ``(gamma / epsilon) sqrt(2 ln(1.25 / delta))`` with
    ``gamma = 2 M L^2 m^2 / (n^2 damping^3)``; M = 0.25 and L = 1 (Lipschitz constants of Hessian and loss, as the
    released code sets them), m = 1 example at a time, n training images."""
    gamma = 2 * 0.25 / (n**2 * damping**3)
    return gamma / epsilon * math.sqrt(2 * math.log(1.25 / delta))


@register(
    "lcodec",
    description="Take a Newton step for each forget example, on the units that its loss is found to depend on.",
    citation="Mehta et al. 2022, arXiv 2204.07655 (L-CODEC)",
    settings=("sample", "subject"),
    reads=("forget", "retain", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class LCodec(Unlearner):
    """``w <- w + (H + damping I)^-1 grad / (n - 1) + noise``, one forget example at a time.

    w: the slices of the selected units; n: training images.

    perturbations: copies of the example with Gaussian noise of standard deviation ``spread`` (in units of the network's
    input, which lies in [-2, 2]). On these, FOCI selects the units (convolution filters, rows of linear layers) whose
    mean activation says most about the loss, until none says more or ``most_units`` are selected; after the first,
    only among the ``offered`` units that say most by themselves, which bounds the time (the released code tries all,
    each time). last_layers: only units of the last so many convolutions and linear layers count. most: examples that
    are processed; of a larger forget set a random part. hessian_images: retain images that H is computed on, once, at
    the original's weights. noise, epsilon, delta: see ``noise_deviation``. force: go on where the noise drowns the
    weights. max_drop: a step after which validation accuracy is more than this below the original's is taken back to
    the last bit, and the example counts as not removed; without validation images nothing is taken back, and the record
    says so. The released code compares with the state before the step, so that utility may decay in small steps.

    H is the Gauss-Newton matrix of the slices (``slices.Curvature``), that of the images that remain; the
    record calls it "exact slice Hessian". The paper writes ``(n H_all - H_x) / (n - 1)``, which is the same mean over
    all images but x. The released code has another: a rank-one difference of gradients that were stored in training,
    divided by a norm of weights, and an H_x that is zero because one gradient is used twice. It also lists examples
    whose step it took back as removed.

    The released code always adds the noise. It falls with the cube of damping: n = 1,000 and damping 0.01 give 15.5 a
    weight, and a unit that is selected often gets it often. A noise that would exceed the median deviation of a unit's
    weights if all removals fell on one unit is therefore refused, with the damping that would do. The bound behind it
    holds for strongly convex losses only.

    The weights move by 1 / n and less: mostly no behavioural change is seen other than that of the noise. Defaults:
    epsilon, delta, spread and most are the released code's, and 1,000 copies for m and l. Damping is this project's,
    where the code has 0.001 and, for CIFAR, 0.01: on digits (n = 1,000, 300 removals, the code's rule for taking back)
    0.1 left a small convolutional network at 9 % accuracy. The rest are proposals. Batch normalisation stays as it is,
    running statistics included.

    Cost: r = min(hessian_images, retain images): r forward, r x classes backward; each forget example: perturbations +
    1 forward, 1 backward, one forward on each validation image (where no unit varies, the perturbations only); and once
    more on each validation image at the start. One synthetic image finds the layers that are called once. Not counted
    as image passes: the solve of each example, with a float64 matrix of r x classes rows and one column for each value
    of the selected slices; its smaller square takes 2 x rows x columns x the smaller of both operations (10 units of
    4,608 values, 10 classes: 38 billion at r = 64, 604 billion at r = 256). A run whose steps could take more than 4
    GiB for it is refused before an image is read; that is why r is small for m and l.
    """

    hint: ClassVar[str | None] = "raise lcodec.damping"
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "perturbations": BySize(xs=200, s=200, m=1000, l=1000),
        "damping": BySize(xs=0.3, s=0.3, m=0.1, l=0.1, few_images=0.3),
        "last_layers": BySize(xs=8, s=8, m=4, l=2),
        "hessian_images": BySize(xs=256, s=256, m=64, l=64),
    }
    search: ClassVar[Mapping[str, Grid]] = {"damping": Scaled(1.0, 3.0, 10.0), "epsilon": Among(0.1, 1.0, 10.0)}

    perturbations: Annotated[int, Field(ge=3, le=100_000)] | None = None
    spread: Positive = 0.1
    damping: Annotated[float, Field(ge=1e-6, allow_inf_nan=False)] | None = None
    epsilon: Positive = 0.1
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.01
    noise: bool = True
    force: bool = False
    most: Annotated[int, Field(ge=1)] = 1_000
    most_units: Count = 10
    offered: Annotated[int, Field(ge=1)] = 64
    last_layers: Count | None = None
    hessian_images: Annotated[int, Field(ge=1)] | None = None
    max_drop: Fraction = 0.05

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Remove one example after the other, in place."""
        layers = self._layers(model, task)
        images = min(filled(self.hessian_images), len(task.retain))
        require_room(images * model.classes, largest_slices(layers, min(self.most_units, self.offered)))
        deviation = self._deviation(layers, task)
        removal = _Removal(self, model, task, layers, deviation, images)
        chosen = self._chosen(task)
        pool = Pool(task, "forget", indices=chosen, augment=False)
        for done, (x, y) in enumerate(pool.plain(1)):
            removal.remove(x, y)
            task.report(done + 1, len(chosen))
        removal.conclude()
        beyond = len(task.forget) - len(chosen)
        if beyond:
            task.meter.note(f"{beyond} forget examples beyond lcodec.most = {self.most} were not removed")
        task.meter.stopped(f"last example ({len(chosen)} processed)")
        return model

    def _layers(self, model: Classifier, task: Task) -> list[Layer]:
        height, width, channels = task.examples.shape
        model.eval()
        task.meter.forward("synthetic", 1)
        layers = last_layers(
            model, filled(self.last_layers), torch.zeros(1, channels, height, width, device=task.device)
        )
        if not layers:
            raise DataError(
                "lcodec: expected a convolution or linear layer that may move, got none; use another method"
            )
        return layers

    def _deviation(self, layers: Sequence[Layer], task: Task) -> float:
        """Of the noise on every weight; refused where it would drown most slices."""
        if not self.noise:
            task.meter.note("no noise was added")
            return 0.0
        n, damping = task.training_images, filled(self.damping)
        deviation = noise_deviation(self.epsilon, self.delta, damping, n)
        slices = [read_slice(layer, row) for layer in layers for row in range(layer.weight.shape[0])]
        typical = float(np.median([float(weights.std(correction=0)) for weights in slices]))
        removals = min(len(task.forget), self.most)
        summed = deviation * math.sqrt(removals)
        if summed > typical and not self.force:
            enough = 1.01 * damping * (summed / typical) ** (1 / 3) if typical > 0 else math.inf
            raise DataError(
                f"lcodec: expected noise of at most {typical:.3g}, the median deviation of a unit's weights, "
                f"got {summed:.3g} ({deviation:.3g} for each of {removals} examples, n = {n}); "
                f"raise lcodec.damping to {enough:.3g} or more, raise lcodec.epsilon, or set lcodec.noise to false"
            )
        task.meter.note(
            f"noise of deviation {deviation:.3g} a removal, at most {summed:.3g} in all; "
            f"median deviation of a unit's weights {typical:.3g}"
        )
        return deviation

    def _chosen(self, task: Task) -> Indices:
        """The forget examples that are processed, in the order given."""
        if len(task.forget) <= self.most:
            return task.forget
        random = numpy_generator(task.seed, "lcodec", "which")
        return task.forget[np.sort(random.choice(len(task.forget), self.most, replace=False))]


class _Removal:
    """The state of a run: what was moved, what was taken back."""

    def __init__(
        self, method: LCodec, model: Classifier, task: Task, layers: list[Layer], deviation: float, images: int
    ) -> None:
        self._method, self._model, self._task, self._layers = method, model, task, layers
        self._deviation = deviation
        self._units = units_of(layers)
        self._curvature = self._measure(images)
        self._held_out: Batches | None = None
        if len(task.held_out):
            self._held_out = unaugmented(task, task.held_out)
            self._floor = self._accuracy(self._held_out) - method.max_drop
        self._copies = torch_generator(task.seed, "lcodec", "copies")
        self._noise = torch_generator(task.seed, "lcodec", "noise")
        self._ties = numpy_generator(task.seed, "lcodec", "ties")
        self._selected: list[int] = []
        self._reverted = 0

    def remove(self, x: Tensor, y: Tensor) -> None:
        """Select, step, and step back where utility fell."""
        chosen = self.select(x, y)
        self._selected.append(len(chosen))
        if not chosen:
            return
        before = [read_slice(self._layers[unit.layer], unit.row) for unit in chosen]
        self._step(x, y, chosen, before)
        if self._held_out is not None and self._accuracy(self._held_out) < self._floor - ROUNDING:
            self._reverted += 1
            self._write(chosen, before)

    def select(self, x: Tensor, y: Tensor) -> list[Unit]:
        """The units that say most about the loss of noisy copies of an image."""
        losses, means = [], []
        count = filled(self._method.perturbations)
        for start in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - start)
            noise = torch.randn((size, *x.shape[1:]), generator=self._copies).to(x.device)
            with torch.no_grad(), listening(self._layers) as calls:
                logits = self._model(x + self._method.spread * noise)
            self._task.meter.forward("forget", size)
            smoothing = self._task.recipe.label_smoothing
            targets = y.expand(size)
            losses.append(F.cross_entropy(logits.double(), targets, label_smoothing=smoothing, reduction="none"))
            means.append(activations(self._layers, calls).double())
        check_finite_weights("lcodec", "the loss of noisy copies", torch.cat(losses), hint=self._method.hint)
        columns = torch.cat(means).cpu().numpy()
        chosen = foci(
            torch.cat(losses).cpu().numpy(),
            columns,
            self._ties,
            most=self._method.most_units,
            offered=self._method.offered,
        )
        return [self._units[k] for k in chosen]

    def conclude(self) -> None:
        """Put what happened into the record."""
        note, still = self._task.meter.note, self._selected.count(0)
        note(f"exact slice Hessian; {np.mean(self._selected):.1f} of {len(self._units)} units moved for an example")
        if self._held_out is None:
            note("nothing could be taken back (no validation examples)")
        if self._reverted:
            note(f"{self._reverted} examples were not removed: validation accuracy fell and their step was taken back")
        if still:
            note(f"{still} examples were not removed: no unit varied")

    def _measure(self, images: int) -> Curvature:
        """H on so many retain images, sampled once."""
        task, pool = self._task, Pool(self._task, "retain", augment=False)
        curvature = Curvature(self._layers, images)
        x, _ = pool.draw(images)
        for batch in torch.split(x, AT_ONCE):
            curvature.add(self._model, batch)
            task.meter.forward("retain", len(batch))
            task.meter.backward("retain", len(batch) * self._model.classes)
        return curvature

    def _step(self, x: Tensor, y: Tensor, chosen: list[Unit], before: list[Tensor]) -> None:
        task, method = self._task, self._method
        used = sorted({unit.layer for unit in chosen})
        owned = [tensor for k in used for tensor in _tensors(self._layers[k])]
        with torch.enable_grad(), full_precision():
            loss = retain_loss(self._model(x), y, task.recipe)
            gradients = iter(torch.autograd.grad(loss, owned))
        task.meter.forward("forget", 1)
        task.meter.backward("forget", 1)
        by_layer = {k: (next(gradients), next(gradients) if owns_bias(self._layers[k]) else None) for k in used}
        slices = [read_slice(self._layers[unit.layer], unit.row, of=by_layer[unit.layer]) for unit in chosen]
        direction = newton_direction(self._curvature.factor(chosen), torch.cat(slices).double(), filled(method.damping))
        moved = torch.cat(before).double() + direction / (task.training_images - 1)
        moved = moved + self._deviation * torch.randn(len(moved), generator=self._noise).to(moved)
        check_finite_weights("lcodec", "the weights", moved, hint=method.hint)
        self._write(chosen, list(torch.split(moved.to(before[0].dtype), [len(weights) for weights in before])))

    def _write(self, chosen: list[Unit], values: list[Tensor]) -> None:
        for unit, weights in zip(chosen, values, strict=True):
            write_slice(self._layers[unit.layer], unit.row, weights)

    def _accuracy(self, held_out: Batches) -> float:
        return accuracy("lcodec", self._model, held_out, self._task, "validation", hint=self._method.hint)


def _tensors(layer: Layer) -> list[Tensor]:
    bias = layer.bias
    return [layer.weight, bias] if bias is not None and owns_bias(layer) else [layer.weight]
