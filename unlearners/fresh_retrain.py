"""Control: a retrain that no reference contains."""

from dataclasses import replace

from pydantic.dataclasses import dataclass

from vestige.learners.seeds import derive_seed
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.retrain import Retrain


@register(
    "fresh_retrain",
    description="Control: a retrain under a seed that nobody else used; an audit must not fail it.",
    citation="control",
    settings=("sample", "class", "subject"),
    reads=("retain",),
    control=True,
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class FreshRetrain(Retrain):
    """``retrain`` in the role of a candidate whose verdict is known beforehand.

    Its seed is derived from the task's for this purpose alone, so it never equals a reference retrain bit for bit."""

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """A model that never saw the forget set; ``model`` is not used."""
        return super().unlearn(model, replace(task, seed=derive_seed(task.seed, "fresh retrain")))
