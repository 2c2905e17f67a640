"""The hyper-parameters that all methods with passes over the retain set have, and how they become steps."""

from collections.abc import Callable

from pydantic.dataclasses import dataclass
from torch import Tensor

from learners import Classifier, batch_bounds
from unlearners._base import STRICT, Unlearner
from unlearners._defaults import epochs_of, filled
from unlearners._ranges import BatchSize, Momentum, Rate, Share
from unlearners._steps import Normalisation, Optimisation, Schedule, Steps, over_retain
from unlearners._task import Task

RetainLoss = Callable[[Classifier, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RetainPhase(Unlearner):
    """Base of the methods whose epoch is one pass over the retain set.

    rate: peak learning rate, as a multiple of the recipe's. share: epochs, as a share of the recipe's. schedule: of
    the rate. batch_size: None for the recipe's. momentum: of SGD; weight decay is the recipe's. bn: batch statistics in
    the forward pass (``train``), running statistics (``frozen``), or these for forget batches (``frozen_on_forget``).
    """

    rate: Rate | None = None
    share: Share | None = None
    schedule: Schedule = "cosine"
    batch_size: BatchSize | None = None
    momentum: Momentum = 0.9
    bn: Normalisation = "train"

    def _train_on_retain(
        self, model: Classifier, task: Task, loss: RetainLoss, *, clip: float | None = None
    ) -> Classifier:
        epochs = epochs_of(filled(self.share), task.recipe)
        batch_size = self._batch_size(task)
        optimisation = Optimisation(
            learning_rate=filled(self.rate) * task.recipe.learning_rate,
            momentum=self.momentum,
            weight_decay=task.recipe.weight_decay,
            schedule=self.schedule,
            clip=clip,
            total=epochs * len(batch_bounds(len(task.retain), batch_size)),
        )
        steps = Steps(self.entry.name, model, optimisation)
        over_retain(model, task, steps, epochs=epochs, batch_size=batch_size, bn=self.bn, loss=loss)
        task.meter.stopped(f"budget ({epochs} epochs)")
        return model

    def _batch_size(self, task: Task) -> int:
        return task.recipe.batch_size if self.batch_size is None else self.batch_size
