"""Retraining from scratch: exact unlearning by definition."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.learners.training.train import train
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner


@register(
    "retrain",
    description="Train from scratch on the retain set with the original's recipe: the reference of every audit.",
    citation="exact unlearning by definition",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Retrain(Unlearner):
    """``min CE(f, D_r)`` from a fresh initialisation; epochs, not steps, equal the original's.

    It has no hyper-parameters of its own. Cost: epochs x retain images x 3 image passes.
    """

    moves: ClassVar[bool] = False

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """A model that never saw the forget set; ``model`` is not used."""
        candidate = train(task.recipe, task.examples, task.retain, task.seed, task.device, progress=task.progress)
        images = task.recipe.epochs * len(task.retain)
        task.meter.forward("retain", images)
        task.meter.backward("retain", images)
        task.meter.stopped(f"budget ({task.recipe.epochs} epochs)")
        return candidate
