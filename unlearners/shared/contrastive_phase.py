"""What both forms of Contrastive Unlearning share: the hyper-parameters and the loop of their Algorithm 1."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Count, Fraction, Momentum, Passes, Positive, Rate, Weight
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.contrastive_losses import ContrastiveTerm
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.optimisation import Optimisation, Steps
from vestige.unlearners.shared.pool import Batch, Pool
from vestige.unlearners.shared.steps import autocast, train_mode
from vestige.unlearners.shared.stopping import StoppingRule

TOLERATED_SHARE = 0.01
"""Above this share of the training images utility is known to suffer: every forget example drags its class along."""

Term = Callable[[Tensor, Tensor, Tensor, Tensor], ContrastiveTerm]
"""The contrastive loss of anchors ``[b, d]``, their labels, a retain batch's representations ``[m, d]``, its labels."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ContrastivePhase(Unlearner):
    """Base of the two forms.

    rate: learning rate as a multiple of the recipe's, constant. passes: most passes over the forget set. omega: fresh
    retain batches, and steps, for each forget batch. temperature: of the similarities. weight, retain_weight: of the
    two terms. batch_size: of either batch. normalise: unit representations; the authors call this crucial, False is
    for an ablation only. max_utility_loss: fall of validation accuracy, a fraction, at which the last good state is
    restored. bn: batch statistics of forget and retain images together, or running statistics.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.1, s=0.3, m=0.01, l=0.01),
        "weight": BySize(xs=3.0, s=3.0, m=1.0, l=1.0),
        "passes": BySize(xs=30, s=30, m=30, l=30),
    }
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=0.2, m=0.01, l=0.01),
        "weight": BySize(xs=3.0, s=1.0, m=1.0, l=1.0),
        "passes": BySize(xs=5, s=5, m=2, l=1),
    }
    search: ClassVar[Mapping[str, Grid]] = {
        "rate": Scaled(0.3, 1.0, 3.0),
        "weight": Scaled(0.3, 1.0, 3.0),
        "temperature": Among(0.07, 0.2, 0.5),
    }

    rate: Rate | None = None
    passes: Passes | None = None
    omega: Count = 4
    temperature: Positive = 0.5
    weight: Weight | None = None
    retain_weight: Weight = 1.0
    batch_size: BatchSize = 128
    momentum: Momentum = 0.9
    normalise: bool = True
    bn: Literal["train", "frozen"] = "train"
    max_utility_loss: Fraction = 0.1

    def _run(
        self,
        model: Classifier,
        task: Task,
        *,
        draw: Callable[[Tensor], Batch],
        term: Term,
        after_step: Callable[[Tensor, Tensor], None] = lambda x, y: None,
    ) -> Classifier:
        """Take the steps of Algorithm 1 in place, a pass at a time until the rule holds.

        draw: a fresh retain batch, from the labels of the anchors. after_step: called with the retain batch of each
        step.
        """
        name, passes = self.entry.name, filled(self.passes)
        steps, forget = self._steps(task, model), Pool(task, "forget")
        share = len(task.forget) / task.training_images
        if share > TOLERATED_SHARE and task.setting != "class":
            task.meter.note(
                f"{100 * share:.1f} % of the training images are to be forgotten; utility is known to suffer"
            )
        task.meter.stopped(f"budget ({passes} passes)")
        rule = StoppingRule(name, model, task, max_utility_loss=self.max_utility_loss) if passes else None
        skipped = 0
        for number in range(1, passes + 1):
            for x, y in forget.epoch(self.batch_size):
                for _ in range(self.omega):
                    retain = draw(y)
                    skipped += self._step(model, task, steps, (x, y), retain, term)
                    after_step(*retain)
            task.report(number, passes)
            if rule is not None and rule.after_pass(number, passes):
                break
        if skipped:
            task.meter.note(f"{skipped} times an anchor had no partner among the retain examples and was skipped")
        return model

    def _steps(self, task: Task, model: Classifier) -> Steps:
        # Without weight decay: the released code passes none to its optimiser.
        rate = filled(self.rate) * task.recipe.learning_rate
        optimisation = Optimisation(learning_rate=rate, momentum=self.momentum)
        return Steps(self.entry.name, model, optimisation)

    def _step(self, model: Classifier, task: Task, steps: Steps, forget: Batch, retain: Batch, term: Term) -> int:
        (x, y), (retain_x, retain_y) = forget, retain
        with train_mode(model, frozen=self.bn == "frozen"), autocast(task):
            representation = model.represent(torch.cat([x, retain_x]))
            kept = retain_loss(model.head(representation[len(y) :]), retain_y, task.recipe)
        moved = term(representation[: len(y)], y, representation[len(y) :], retain_y)
        task.meter.forward("forget", len(y))
        task.meter.backward("forget", len(y))
        task.meter.forward("retain", len(retain_y))
        task.meter.backward("retain", len(retain_y))
        steps.take(filled(self.weight) * moved.loss + self.retain_weight * kept)
        return moved.skipped
