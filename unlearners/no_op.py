"""Control: nothing is unlearned."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner


@register(
    "no_op",
    description="Control: the original itself; an audit must fail it when the forget set was memorised.",
    citation="control",
    settings=("sample", "class", "subject"),
    reads=(),
    control=True,
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class NoOp(Unlearner):
    """Returns the original, bit for bit. Cost: nothing."""

    moves: ClassVar[bool] = False

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """``model`` as it is."""
        task.meter.stopped("nothing to do")
        return model
