"""Contrastive Unlearning of single examples."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass

from learners import Classifier
from unlearners._base import STRICT, Unlearner
from unlearners._defaults import BySize, filled
from unlearners._losses import contrastive_sample_loss, retain_loss
from unlearners._optimisation import Optimisation, Steps
from unlearners._pool import Pool
from unlearners._ranges import BatchSize, Count, Fraction, Momentum, Passes, Positive, Rate, Weight
from unlearners._registry import register
from unlearners._steps import autocast, train_mode
from unlearners._stopping import StoppingRule
from unlearners._task import Task

TOLERATED_SHARE = 0.01
"""Above this share of the training images utility is known to suffer: every forget example drags its class along."""


@register(
    "contrastive",
    description="Push representations of forget examples away from their class and towards the others.",
    citation="Lee et al. 2024, arXiv 2401.10458 (Contrastive Unlearning), sample form",
    settings=("sample", "subject"),
    reads=("forget", "retain", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Contrastive(Unlearner):
    """``L = weight * L_UL(forget batch, retain batch) + retain_weight * CE(retain batch)`` (equations 5 and 7).

    rate: learning rate as a multiple of the recipe's, constant. passes: most passes over the forget set. omega: fresh
    retain batches, and steps, for each forget batch. temperature: of the similarities. weight, retain_weight: of the
    two terms. batch_size: of either batch. normalise: unit representations; the authors call this crucial, False is
    for an ablation only. max_utility_loss: fall of validation accuracy, a fraction, at which the last good state is
    restored. bn: batch statistics of forget and retain images together, or running statistics.

    The representation is that before the last linear layer, normalised for the loss only; the released code trains a
    special head in its place. The mean over anchors is used, where the paper sums. Retain batches are drawn afresh: the
    released code repeats the same few.

    Defaults: weights, temperature and batch lie within the authors' code and public discussion (3 and 1, 0.7, 4 draws,
    128, 1e-3); rates and weights of xs and s are a sweep of this project; the cap of 30 passes is the code's example.

    Cost: passes x omega x (forget images + forget batches x retain batch) x 3 image passes, plus what the stopping rule
    reads (``StoppingRule``).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.1, s=0.3, m=0.01, l=0.01),
        "weight": BySize(xs=3.0, s=3.0, m=1.0, l=1.0),
    }

    rate: Rate | None = None
    passes: Passes = 30
    omega: Count = 4
    temperature: Positive = 0.5
    weight: Weight | None = None
    retain_weight: Weight = 1.0
    batch_size: BatchSize = 128
    momentum: Momentum = 0.9
    normalise: bool = True
    bn: Literal["train", "frozen"] = "train"
    max_utility_loss: Fraction = 0.1

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Take the steps of Algorithm 1 in place, a pass at a time until the rule holds."""
        optimisation = Optimisation(
            learning_rate=filled(self.rate) * task.recipe.learning_rate,
            momentum=self.momentum,
            weight_decay=0.0,  # the released code passes none to its optimiser
            schedule="constant",
            clip=None,
            total=1,
        )
        steps = Steps("contrastive", model, optimisation)
        forget, retain = Pool(task, "forget"), Pool(task, "retain")
        share = len(task.forget) / task.training_images
        if share > TOLERATED_SHARE:
            task.meter.note(
                f"{100 * share:.1f} % of the training images are to be forgotten; utility is known to suffer"
            )
        task.meter.stopped(f"budget ({self.passes} passes)")
        rule = (
            StoppingRule(self.entry.name, model, task, max_utility_loss=self.max_utility_loss) if self.passes else None
        )
        skipped = 0
        for number in range(1, self.passes + 1):
            for x, y in forget.epoch(self.batch_size):
                for _ in range(self.omega):
                    retain_x, retain_y = retain.draw(self.batch_size)
                    skipped += self._step(model, task, steps, (x, y), (retain_x, retain_y))
            task.report(number, self.passes)
            if rule is not None and rule.after_pass(number, self.passes):
                break
        if skipped:
            task.meter.note(f"{skipped} anchors had no example of their class in the retain batch and were skipped")
        return model

    def _step(
        self,
        model: Classifier,
        task: Task,
        steps: Steps,
        forget: tuple[torch.Tensor, torch.Tensor],
        retain: tuple[torch.Tensor, torch.Tensor],
    ) -> int:
        (x, y), (retain_x, retain_y) = forget, retain
        with train_mode(model, frozen=self.bn == "frozen"), autocast(task):
            representation = model.represent(torch.cat([x, retain_x]))
            kept = retain_loss(model.head(representation[len(y) :]), retain_y, task.recipe)
        term = contrastive_sample_loss(
            representation[: len(y)],
            y,
            representation[len(y) :],
            retain_y,
            temperature=self.temperature,
            normalise=self.normalise,
        )
        for role, count in (("forget", len(y)), ("retain", len(retain_y))):
            task.meter.forward(role, count)  # type: ignore[arg-type]
            task.meter.backward(role, count)  # type: ignore[arg-type]
        steps.take(filled(self.weight) * term.loss + self.retain_weight * kept)
        return term.skipped
