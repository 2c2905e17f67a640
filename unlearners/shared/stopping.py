"""When to stop forgetting: the rules of Contrastive Unlearning, with a floor under utility."""

import numpy as np
import torch
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.cost import Check, Role
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import check_finite_weights
from vestige.unlearners.shared.pool import unaugmented

NO_VALIDATION = "budget (no validation examples)"

ROUNDING = 1e-9
"""Less than any difference of two accuracies, more than the rounding of one: a fall by exactly what is tolerated is."""


def accuracy(
    name: str, model: Classifier, batches: Batches, task: Task, role: Role, *, hint: str | None = None
) -> float:
    """Share of un-augmented examples that the model gets right in eval mode; counted as forward passes.

    Raises DataError on behalf of method ``name`` when a logit is not finite; ``hint``: what to do then, if not to
    lower the rate."""
    model.eval()
    correct = 0
    with torch.inference_mode():
        for x, y in batches.plain(512):
            logits = model(x)
            check_finite_weights(name, f"the logits of {role} examples", logits, hint=hint)
            correct += int((logits.argmax(1) == y).sum())
            task.meter.forward(role, len(y))
    return correct / len(batches)


class StoppingRule:
    """Stop when the forget set is no better known than data that were never seen, and never below the floor.

    For single examples and people: after the first pass with forget accuracy at most validation accuracy (Lee et al.,
    arXiv 2401.10458, equation 9, with held-out training data in place of test data). For classes: after the first pass
    with an accuracy of at most ``1 / classes`` on validation images of the forgotten classes or, where one of them has
    none, on the forget set (equation 8).

    On their own the rules can be met by collapse, when all accuracies fall together; therefore a pass that takes
    validation accuracy (of the other classes, for classes) more than ``max_utility_loss`` (a fraction) below the
    original's ends the run, and the last state above that floor is restored. A rule that lacks its validation examples
    is not applied: the whole budget is used, or the floor is not watched, and the record says so.

    It costs one forward pass on each validation image at the start (for classes: of the other classes), and one on each
    forget and validation image after every pass (for classes with validation images of their own, none on the forget
    set).
    """

    def __init__(self, name: str, model: Classifier, task: Task, *, max_utility_loss: float) -> None:
        self._name, self._model, self._task = name, model, task
        forgotten = np.isin(task.examples.labels[task.held_out], task.forgotten_classes)
        others, of_class = task.held_out[~forgotten], task.held_out[forgotten]
        self._by_class = task.setting == "class"
        self._checking = self._by_class or len(others) > 0
        if not self._checking:
            return
        held_out = set(np.unique(task.examples.labels[of_class]).tolist())
        every_class = self._by_class and held_out == set(task.forgotten_classes)
        self._role: Role = "validation" if every_class else "forget"
        self._measured = unaugmented(task, of_class if every_class else task.forget)
        self._validation = unaugmented(task, others) if len(others) else None
        self._floor = 0.0
        if self._validation is not None:
            self._floor = accuracy(name, model, self._validation, task, "validation") - max_utility_loss
        self._best: tuple[int, dict[str, Tensor]] = (0, _state(model))

    def after_pass(self, number: int, budget: int) -> bool:
        """Whether to stop after pass ``number`` (from 1) of at most ``budget``; records why, restores if need be."""
        meter = self._task.meter
        if not self._checking:
            meter.stopped(NO_VALIDATION)
            return number >= budget
        measured = accuracy(self._name, self._model, self._measured, self._task, self._role)
        held_out = None
        if self._validation is not None:
            held_out = accuracy(self._name, self._model, self._validation, self._task, "validation")
        meter.checked(Check(number, measured, held_out))
        if held_out is not None and held_out < self._floor - ROUNDING:
            meter.stopped(
                f"utility floor: validation accuracy {held_out:.4f} below {self._floor:.4f} after pass {number}; "
                f"state after pass {self._best[0]} restored"
            )
            self._model.load_state_dict(self._best[1])
            return True
        self._best = (number, _state(self._model))
        what = "forget accuracy" if self._role == "forget" else "accuracy on validation images of the class"
        chance = 1 / self._model.classes
        if self._by_class and measured <= chance:
            meter.stopped(f"{what} {measured:.4f} <= 1 / {self._model.classes} after pass {number}{self._unwatched()}")
            return True
        if not self._by_class and held_out is not None and measured <= held_out:
            meter.stopped(f"{what} {measured:.4f} <= validation accuracy {held_out:.4f} after pass {number}")
            return True
        meter.stopped(f"budget ({budget} passes){self._unwatched()}")
        return number >= budget

    def _unwatched(self) -> str:
        if self._validation is not None:
            return ""
        return f"; no utility floor (no validation examples{' of other classes' if self._by_class else ''})"


def _state(model: Classifier) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}
