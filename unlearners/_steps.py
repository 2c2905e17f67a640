"""What methods that take gradient steps share: optimiser, safety, batch normalisation, the loop over retain."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from learners import Batches, Classifier, schedule_factor, torch_generator
from unlearners._base import refuse_unless_finite
from unlearners._task import Task

Schedule = Literal["cosine", "constant"]
Normalisation = Literal["train", "frozen", "frozen_on_forget"]
Batch = tuple[Tensor, Tensor]


@contextmanager
def train_mode(model: nn.Module, *, frozen: bool) -> Iterator[None]:
    """Train mode inside; with ``frozen``, batch normalisation uses its running statistics and leaves them alone (its
    scale and shift still train)."""
    model.train()
    norms = [module for module in model.modules() if frozen and isinstance(module, _BatchNorm)]
    for module in norms:
        module.eval()
    try:
        yield
    finally:
        for module in norms:
            module.train()


def autocast(task: Task) -> torch.autocast:
    """The recipe's precision for a forward pass."""
    return torch.autocast(task.device.type, torch.bfloat16, enabled=task.recipe.precision == "bfloat16")


def streams(task: Task, role: str) -> tuple[torch.Generator, torch.Generator]:
    """Order and augmentation of a role's batches; the same for all methods, so that they differ in method only."""
    return torch_generator(task.seed, role, "order"), torch_generator(task.seed, role, "augmentation")


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """SGD without Nesterov and without state from training.

    learning_rate: peak. schedule: ``constant``, or ``cosine`` down to 1e-4 or a thousandth of the peak, whichever is
    smaller. clip: largest gradient norm, None for no limit. total: steps of the whole run.
    """

    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: Schedule
    clip: float | None
    total: int

    def rate_at(self, step: int) -> float:
        """Learning rate of ``step`` (from 0)."""
        if self.schedule == "constant":
            return self.learning_rate
        floor = min(1e-4, 1e-3 * self.learning_rate)
        return floor + (self.learning_rate - floor) * schedule_factor("cosine", 0.0, step, self.total)


class Steps:
    """Takes steps; refuses a loss that is not finite, so a diverging run raises instead of returning NaN."""

    def __init__(self, name: str, model: nn.Module, optimisation: Optimisation) -> None:
        self._name = name
        self._optimisation = optimisation
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.SGD(
            self._parameters,
            lr=optimisation.learning_rate,
            momentum=optimisation.momentum,
            weight_decay=optimisation.weight_decay,
        )
        self._taken = 0

    def take(self, loss: Tensor) -> None:
        """One step down ``loss``."""
        self.require_finite(loss)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._optimisation.clip is not None:
            norm = nn.utils.clip_grad_norm_(self._parameters, self._optimisation.clip)
            refuse_unless_finite(self._name, "the gradient", norm)
        for group in self._optimiser.param_groups:
            group["lr"] = self._optimisation.rate_at(self._taken)
        self._optimiser.step()
        self._taken += 1

    def require_finite(self, loss: Tensor) -> None:
        """Raise DataError when ``loss`` is NaN or infinite."""
        refuse_unless_finite(self._name, "the loss", loss.detach())


def above_cap(loss: Tensor, cap: float, classes: int) -> bool:
    """Whether a loss that is being maximised has left the useful range: more than ``cap`` times that of a guess."""
    return float(loss.detach()) > cap * math.log(classes)


def recycled(batches: Batches, size: int, order: torch.Generator, augmentation: torch.Generator) -> Iterator[Batch]:
    """Endless batches of exactly ``min(size, len(batches))`` examples: pass after pass, each freshly shuffled; a batch
    may hold the end of one pass and the start of the next, so that none is smaller and every example is used."""
    size = min(size, len(batches))
    held: Batch | None = None
    while True:
        for x, y in batches.epoch(order, augmentation, size):
            held = (x, y) if held is None else (torch.cat([held[0], x]), torch.cat([held[1], y]))
            while held is not None and len(held[1]) >= size:
                yield held[0][:size], held[1][:size]
                held = (held[0][size:], held[1][size:]) if len(held[1]) > size else None


def over_retain(
    model: Classifier,
    task: Task,
    steps: Steps,
    *,
    epochs: int,
    batch_size: int,
    bn: Normalisation,
    loss: Callable[[Classifier, Tensor, Tensor], Tensor],
) -> None:
    """``epochs`` shuffled, augmented passes over the retain set, one step on ``loss(model, x, y)`` a batch.

    The loop counts one forward and one backward pass for each retain image; what else ``loss`` does, it counts.
    """
    batches = Batches(task.examples, task.retain, task.recipe, task.device)
    order, augmentation = streams(task, "retain")
    for epoch in range(epochs):
        for x, y in batches.epoch(order, augmentation, batch_size):
            with train_mode(model, frozen=bn == "frozen"), autocast(task):
                value = loss(model, x, y)
            task.meter.forward("retain", len(y))
            task.meter.backward("retain", len(y))
            steps.take(value)
        task.report(epoch + 1, epochs)
