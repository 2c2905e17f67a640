"""Retain batches in which every anchor finds an example of its class."""

import numpy as np
import torch
from torch import Tensor

from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.pool import Batch, Pool


class Partners:
    """Draws from the retain set for the sample form of Contrastive Unlearning.

    With ten classes and batches of 128 a plain draw misses a class once in a million times; with a hundred, every
    fourth anchor would be without a partner. Therefore what the plain draw lacks is added on top, one example of each
    missing class, in place of the draw's last examples that are no anchor's only partner. A draw that lacks nothing is
    the plain one, to the last bit.
    """

    def __init__(self, task: Task, retain: Pool) -> None:
        self._task, self._retain = task, retain
        self._labels = task.examples.labels[task.retain]
        self._choice = torch_generator(task.seed, "retain", "partners")
        self._augmentation = torch_generator(task.seed, "retain", "partners' augmentation")

    def draw(self, size: int, anchor_labels: Tensor) -> Batch:
        """A fresh batch of ``min(size, retain images)`` examples for anchors with these labels (int64 ``[b]``)."""
        x, y = self._retain.draw(size)
        if len(y) == len(self._retain):
            return x, y
        wanted, sampled = np.unique(anchor_labels.cpu().numpy()), y.cpu().numpy()
        missing = np.intersect1d(np.setdiff1d(wanted, sampled), self._labels)
        first = np.unique(sampled, return_index=True)[1]
        only = first[np.isin(sampled[first], wanted)]
        spare = np.setdiff1d(np.arange(len(sampled)), only)
        count = min(len(missing), len(spare))
        if count == 0:
            return x, y
        more_x, more_y = self._one_of_each(missing[:count])
        places = torch.from_numpy(spare[-count:]).to(y.device)
        x[places], y[places] = more_x, more_y
        return x, y

    def _one_of_each(self, classes: np.ndarray) -> Batch:
        """One random example of each class."""
        chosen = []
        for label in classes:
            of_class = self._task.retain[self._labels == label]
            chosen.append(of_class[int(torch.randint(len(of_class), (1,), generator=self._choice))])
        batches = Batches(self._task.examples, np.array(chosen), self._task.recipe, self._task.device)
        return batches.draw(len(chosen), self._choice, self._augmentation)
