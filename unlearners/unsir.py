"""UNSIR: impair with learnt noise, then repair, without a look at the forget images."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator, torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import batch_bounds
from vestige.unlearners.core.defaults import BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Count, Positive, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.noise import learn_noise
from vestige.unlearners.shared.optimisation import Steps, constant_adam
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.steps import Normalisation, autocast, one_pass, train_mode

Epochs = Annotated[int, Field(ge=0, le=1_000)]


@register(
    "unsir",
    description="Train on noise that stands for the class, then repair on retain images; sees no forget image.",
    citation="Tarun et al. 2023, arXiv 2111.08947",
    settings=("class",),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Unsir(Unlearner):
    """Noise: for each forgotten class c, ``min_N -CE(f(N), c) + penalty * mean_i sum_pixels N_i^2``. Impair: train on
    that noise, labelled c, mixed with retain images. Repair: train on the retain images.

    Of the forgotten class only the label is known. noise_images: for each class. noise_steps, noise_rate: Adam's steps
    and learning rate on the pixels, which are those the network receives. penalty: weight of the squared pixels.
    copies: how often the noise is repeated in an epoch of impairing. per_class: most retain images of a class, drawn
    from the seed. impair_rate, repair_rate: Adam's learning rates, absolute. impair_epochs, repair_epochs: over the
    retain images in use. batch_size: None for the recipe's; noise and retain images share batches as the shuffle has
    it. bn: batch statistics (``train``), or running statistics while noise is in the batches (``frozen_on_forget``) or
    always (``frozen``); while the noise is learnt, always running statistics. The notebook has ``train``, with which
    noise filled the statistics of a small network and the class came back with the repair.

    Departures from the authors' notebook: noise of every class carries that class's label (there: class 0), all noise
    images take part (there: three of each batch), and the network is in eval mode while the noise is learnt.

    Defaults: noise (256 images, Adam 0.1, 40 steps, penalty 0.1), 20 copies, 1,000 retain images a class and single
    epochs are the notebook's; its rates of 0.02 and 0.01 cost networks trained with SGD much utility and are lowered (m
    and l: proposals). 64 noise images and the higher rates of xs and s, where an epoch is few steps, come from a sweep
    of this project; a long repair at a low rate lets the class return.

    Cost: classes x noise images x (steps + copies x impair epochs) x 3 image passes, plus (impair epochs + repair
    epochs) x retain images in use x 3.
    """

    step_parameter: ClassVar[str] = "impair_rate"
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "noise_images": BySize(xs=64, s=64, m=256, l=256),
        "impair_rate": BySize(xs=3e-3, s=1e-2, m=5e-4, l=1e-3),
        "repair_rate": BySize(xs=1e-3, s=3e-3, m=5e-4, l=5e-4),
    }
    search: ClassVar[Mapping[str, Grid]] = {
        "impair_rate": Scaled(0.1, 0.3, 1.0, 3.0),
        "repair_rate": Scaled(0.1, 0.3, 1.0, 3.0),
        "copies": Scaled(0.3, 1.0),
    }

    noise_images: Count | None = None
    noise_steps: Annotated[int, Field(ge=0, le=100_000)] = 40
    noise_rate: Positive = 0.1
    penalty: Weight = 0.1
    copies: Count = 20
    per_class: Annotated[int, Field(ge=1)] = 1_000
    impair_rate: Positive | None = None
    repair_rate: Positive | None = None
    impair_epochs: Epochs = 1
    repair_epochs: Epochs = 1
    batch_size: BatchSize | None = None
    bn: Normalisation = "frozen_on_forget"

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Impair and repair in place."""
        if not task.forgotten_classes:
            raise DataError("unsir: expected at least one class to forget, got none; give the task a forget set")
        epochs = self.impair_epochs + self.repair_epochs
        task.meter.stopped(f"budget ({self.impair_epochs} + {self.repair_epochs} epochs)")
        if epochs == 0:
            return model
        retain = Pool(task, "retain", indices=subset(task, self.per_class))
        if self.impair_epochs:
            noise, labels = self._noise(model, task)
            steps = self._steps(model, "impair_rate")
            order = torch_generator(task.seed, "unsir", "order")
            for epoch in range(self.impair_epochs):
                for batch in mixed(retain, noise, labels, self.copies, self._batch_size(task), order):
                    self._impair(model, task, steps, *batch)
                task.report(epoch + 1, epochs)
        steps = self._steps(model, "repair_rate")
        for epoch in range(self.repair_epochs):
            one_pass(
                model,
                task,
                steps,
                retain,
                batch_size=self._batch_size(task),
                frozen=self.bn == "frozen",
                loss=lambda network, seen: retain_loss(seen.logits, seen.y, task.recipe),
            )
            task.report(self.impair_epochs + epoch + 1, epochs)
        return model

    def _noise(self, model: Classifier, task: Task) -> tuple[Tensor, Tensor]:
        """Noise images of all forgotten classes and their labels."""
        images = filled(self.noise_images)
        learnt = [
            learn_noise(
                self.entry.name,
                model,
                task,
                label,
                images=images,
                steps=self.noise_steps,
                learning_rate=self.noise_rate,
                penalty=self.penalty,
                generator=torch_generator(task.seed, "unsir", "noise", label),
            )
            for label in task.forgotten_classes
        ]
        labels = torch.tensor(task.forgotten_classes, device=task.device).repeat_interleave(images)
        return torch.cat(learnt), labels

    def _impair(self, model: Classifier, task: Task, steps: Steps, x: Tensor, y: Tensor, retained: int) -> None:
        with train_mode(model, frozen=self.bn != "train"), autocast(task):
            loss = retain_loss(model(x), y, task.recipe)
        for role, count in (("retain", retained), ("synthetic", len(y) - retained)):
            task.meter.forward(role, count)  # type: ignore[arg-type]
            task.meter.backward(role, count)  # type: ignore[arg-type]
        steps.take(loss)

    def _steps(self, model: Classifier, rate: str) -> Steps:
        # The notebook gives Adam no weight decay.
        return Steps(self.entry.name, model, constant_adam(filled(getattr(self, rate)), rate))

    def _batch_size(self, task: Task) -> int:
        return task.recipe.batch_size if self.batch_size is None else self.batch_size


def subset(task: Task, per_class: int) -> Indices:
    """At most ``per_class`` retain indices of each class, in ascending order; which ones, the task's seed decides."""
    random = numpy_generator(task.seed, "unsir", "subset")
    labels = task.examples.labels[task.retain]
    sampled = [random.permutation(task.retain[labels == label])[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(sampled))


def mixed(
    retain: Pool, noise: Tensor, labels: Tensor, copies: int, batch_size: int, order: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """One shuffled pass over the retain images, augmented, and ``copies`` of each noise image: x, y, and how many of
    the batch, its first ones, are retain images. A last batch of a single image is merged into the one before it."""
    permutation = torch.randperm(len(retain) + copies * len(noise), generator=order)
    stream = retain.epoch(batch_size)
    x, y = noise[:0], labels[:0]
    for start, stop in batch_bounds(len(permutation), batch_size):
        chosen = permutation[start:stop]
        rows = (chosen[chosen >= len(retain)] - len(retain)) % len(noise)
        count = len(chosen) - len(rows)
        while len(y) < count:
            more_x, more_y = next(stream)
            x, y = torch.cat([x, more_x]), torch.cat([y, more_y])
        rows = rows.to(noise.device)
        yield torch.cat([x[:count], noise[rows]]), torch.cat([y[:count], labels[rows]]), count
        x, y = x[count:], y[count:]
