"""The hyper-parameters that all methods with passes over the retain set have, and how they become steps."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import batch_bounds
from vestige.unlearners.core.defaults import Grid, Scaled, epochs_of, filled
from vestige.unlearners.core.ranges import BatchSize, Momentum, Rate, Share
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.optimisation import Optimisation, Schedule, Steps
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.steps import Loss, Normalisation, one_pass
from vestige.unlearners.shared.view_contrast import ViewContrast, contrast_pass


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RetainPhase(Unlearner):
    """Base of the methods whose epoch holds one pass over the retain set.

    rate: peak learning rate, as a multiple of the recipe's. share: epochs, as a share of the recipe's. schedule: of
    the rate. batch_size: None for the recipe's. momentum: of SGD; weight decay is the recipe's. bn: batch statistics in
    the forward pass (``train``), running statistics (``frozen``), or these for forget batches (``frozen_on_forget``).
    """

    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.1, 0.3, 1.0, 2.0), "share": Scaled(0.5, 1.0, 2.0)}

    rate: Rate | None = None
    share: Share | None = None
    schedule: Schedule = "cosine"
    batch_size: BatchSize | None = None
    momentum: Momentum = 0.9
    bn: Normalisation = "train"

    def _train_on_retain(
        self,
        model: Classifier,
        task: Task,
        loss: Loss,
        *,
        clip: float | None = None,
        still: Collection[nn.Module] = (),
        backward_share: float = 1.0,
    ) -> Classifier:
        """The whole budget of passes over the retain set, in place; see ``one_pass``."""
        epochs, pool = self._epochs(task), Pool(task, "retain")
        steps = self._steps(model, task, epochs * self._batches(task, pool), clip=clip)
        for epoch in range(epochs):
            self._retain_pass(model, task, steps, pool, loss, still=still, backward_share=backward_share)
            task.report(epoch + 1, epochs)
        task.meter.stopped(f"budget ({epochs} epochs)")
        return model

    def _retain_pass(
        self,
        model: Classifier,
        task: Task,
        steps: Steps,
        pool: Pool,
        loss: Loss,
        *,
        still: Collection[nn.Module] = (),
        backward_share: float = 1.0,
    ) -> None:
        """One pass over the retain set, with the contrastive module where it is on."""
        shared: dict[str, Any] = {
            "batch_size": self._batch_size(task),
            "frozen": self.bn == "frozen",
            "loss": loss,
            "still": still,
            "backward_share": backward_share,
        }
        contrast = self._contrast()
        if contrast is None or contrast.weight == 0:
            one_pass(model, task, steps, pool, **shared)
        else:
            contrast_pass(model, task, steps, pool, contrast, **shared)

    def _contrast(self) -> ViewContrast | None:
        return None

    def _steps(
        self,
        model: Classifier,
        task: Task,
        total: int,
        *,
        clip: float | None = None,
        mask: Sequence[Tensor] | None = None,
    ) -> Steps:
        """SGD at the method's rate for ``total`` steps."""
        optimisation = Optimisation(
            learning_rate=filled(self.rate) * task.recipe.learning_rate,
            momentum=self.momentum,
            weight_decay=task.recipe.weight_decay,
            schedule=self.schedule,
            clip=clip,
            total=total,
        )
        return Steps(self.entry.name, model, optimisation, mask)

    def _epochs(self, task: Task) -> int:
        return epochs_of(filled(self.share), task.recipe)

    def _batch_size(self, task: Task) -> int:
        return task.recipe.batch_size if self.batch_size is None else self.batch_size

    def _batches(self, task: Task, pool: Pool) -> int:
        """Batches of one pass over ``pool``."""
        return len(batch_bounds(len(pool), self._batch_size(task)))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ContrastHost(RetainPhase):
    """Base of the methods that can carry CoUn's contrastive module on their retain batches.

    contrastive: the module's fields (``ViewContrast``), None for none; it adds a forward and a backward pass for each
    retain image.
    """

    contrastive: ViewContrast | None = None

    def _contrast(self) -> ViewContrast | None:
        return self.contrastive
