"""Training forget examples towards wrong labels and retain examples towards their own."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.errors import DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.retain_phase import ContrastHost
from vestige.unlearners.shared.steps import Normalisation, Seen, one_pass

Labels = Literal["exclude_true", "include_true"]


def random_labels(true: Tensor, classes: int, labels: Labels, generator: torch.Generator) -> Tensor:
    """A label for each of ``true`` (int64 ``[b]``): uniform over the other classes (``exclude_true``) or over all
    (``include_true``; the true one comes up with probability 1 / classes). Drawn on the CPU.
    Raises DataError for fewer than two classes."""
    if classes < 2:
        raise DataError(f"random labels: expected at least 2 classes to draw from, got {classes}")
    if labels == "include_true":
        return torch.randint(classes, true.shape, generator=generator).to(true.device)
    return (true + torch.randint(1, classes, true.shape, generator=generator).to(true.device)) % classes


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RandomLabels(ContrastHost):
    """Base of the methods whose epoch is a pass over the forget set with random labels, then one over the retain set.

    labels: whether the true label may be drawn. redraw: labels drawn afresh in every epoch, or once for the run (then
    each forget example is learnt with a wrong label). bn: None for batch statistics throughout (``train``), as the
    released code has it, and for running statistics on forget batches (``frozen_on_forget``) where whole classes are to
    be forgotten: on a small convolutional network the former kept more retain accuracy for single examples, and left
    traces of a class, whose batches move the statistics towards it.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {"bn": BySize(xs="train", s="train", m="train", l="train")}
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {
        "bn": BySize(xs="frozen_on_forget", s="frozen_on_forget", m="frozen_on_forget", l="frozen_on_forget")
    }

    labels: Labels = "exclude_true"
    redraw: Literal["epoch", "once"] = "epoch"
    bn: Normalisation | None = None  # type: ignore[assignment]  # filled in by the setting before it is used

    def _relearn(
        self, model: Classifier, task: Task, *, mask: Sequence[Tensor] | None = None, retain: bool = True
    ) -> Classifier:
        """The whole budget, in place. mask: see ``Steps``. retain: False leaves the retain passes out."""
        epochs, generator = self._epochs(task), torch_generator(task.seed, "random labels")
        targets = None
        if self.redraw == "once":
            true = torch.from_numpy(task.examples.labels[task.forget])
            targets = random_labels(true, model.classes, self.labels, generator)
        forget, kept = Pool(task, "forget", targets=targets), Pool(task, "retain") if retain else None
        batches = sum(self._batches(task, pool) for pool in (forget, kept) if pool is not None)
        steps = self._steps(model, task, epochs * batches, mask=mask)

        def wrong(network: Classifier, seen: Seen) -> Tensor:
            label = seen.y
            if self.redraw == "epoch":
                label = random_labels(seen.y, network.classes, self.labels, generator)
            return F.cross_entropy(seen.logits, label)

        def right(network: Classifier, seen: Seen) -> Tensor:
            return retain_loss(seen.logits, seen.y, task.recipe)

        batch_size = self._batch_size(task)
        for epoch in range(epochs):
            one_pass(model, task, steps, forget, batch_size=batch_size, frozen=self.bn != "train", loss=wrong)
            if kept is not None:
                self._retain_pass(model, task, steps, kept, right)
            task.report(epoch + 1, epochs)
        task.meter.stopped(f"budget ({epochs} epochs)")
        return model
