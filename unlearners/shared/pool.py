"""The images of one role of a task, in batches."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.task import Task

Batch = tuple[Tensor, Tensor]


def unaugmented(task: Task, indices: Indices) -> Batches:
    """These of the task's examples as the audit sees them."""
    return Batches(task.examples, indices, task.recipe, task.device, augment=False)


class Pool:
    """Batches of one role: the same streams for all methods, so that they differ in method only.

    role: whose images these are, for the cost too. indices: a part of the role's, None for all. augment: False leaves
    the pixels as they are. targets: ``[m, ...]``, handed out as y in place of the labels. Each pass is shuffled afresh.
    noise: the role's stream for whatever noise a method adds. purpose: of a second pool of a role; own streams.
    """

    def __init__(
        self,
        task: Task,
        role: Literal["forget", "retain", "validation"],
        *,
        indices: Indices | None = None,
        augment: bool = True,
        targets: Tensor | None = None,
        purpose: str | None = None,
    ) -> None:
        of_role = task.held_out if role == "validation" else getattr(task, role)
        chosen = of_role if indices is None else indices
        self.role = role
        self._batches = Batches(task.examples, chosen, task.recipe, task.device, augment=augment, targets=targets)
        stream = (role,) if purpose is None else (role, purpose)
        self._order = torch_generator(task.seed, *stream, "order")
        self._augmentation = torch_generator(task.seed, *stream, "augmentation")
        self.noise = torch_generator(task.seed, *stream, "noise")
        self._second = torch_generator(task.seed, *stream, "second view")

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, batch_size: int) -> Iterator[Batch]:
        """One shuffled pass; a last batch of a single example is merged into the one before it."""
        return self._batches.epoch(self._order, self._augmentation, batch_size)

    def pairs(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One shuffled pass, two independent draws of the augmentation: x, x', y; x and y are those of ``epoch``."""
        return self._batches.epoch_pairs(self._order, self._augmentation, self._second, batch_size)

    def plain(self, batch_size: int) -> Iterator[Batch]:
        """The examples in order, un-augmented."""
        return self._batches.plain(batch_size)

    def draw(self, size: int) -> Batch:
        """A fresh batch of ``min(size, len(self))`` different examples."""
        return self._batches.draw(size, self._order, self._augmentation)

    def recycled(self, size: int) -> Iterator[Batch]:
        """Endless batches of exactly ``min(size, len(self))`` examples: pass after pass, each freshly shuffled; a batch
        may hold the end of one pass and the start of the next, so that none is smaller and every example is used."""
        size = min(size, len(self))
        held: Batch | None = None
        while True:
            for x, y in self.epoch(size):
                held = (x, y) if held is None else (torch.cat([held[0], x]), torch.cat([held[1], y]))
                while held is not None and len(held[1]) >= size:
                    yield held[0][:size], held[1][:size]
                    held = (held[0][size:], held[1][size:]) if len(held[1]) > size else None
