"""When to stop forgetting: the rule of Contrastive Unlearning, with a floor under utility."""

import torch
from torch import Tensor

from learners import Batches, Classifier
from unlearners._base import refuse_unless_finite
from unlearners._cost import Check, Role
from unlearners._task import Task

NO_VALIDATION = "budget (no validation examples)"


def accuracy(name: str, model: Classifier, batches: Batches, task: Task, role: Role) -> float:
    """Share of un-augmented examples that the model gets right in eval mode; counted as forward passes.

    Raises DataError on behalf of method ``name`` when a logit is not finite."""
    model.eval()
    correct = 0
    with torch.inference_mode():
        for x, y in batches.plain(512):
            logits = model(x)
            refuse_unless_finite(name, f"the logits of {role} examples", logits)
            correct += int((logits.argmax(1) == y).sum())
            task.meter.forward(role, len(y))
    return correct / len(batches)


class StoppingRule:
    """Stop after the first pass with forget accuracy at most validation accuracy, and never below the floor.

    Source: Lee et al., arXiv 2401.10458, equation 9, with held-out training data in place of test data. On its own the
    rule can be met by collapse, when both accuracies fall together; therefore a pass that takes validation accuracy
    more than ``max_utility_loss`` (a fraction) below the original's ends the run, and the last state above that floor
    is restored. Without validation examples the whole budget is used, and the record says so.

    It costs one forward pass on each validation image at the start, and one on each forget and validation image after
    every pass.
    """

    def __init__(self, name: str, model: Classifier, task: Task, *, max_utility_loss: float) -> None:
        self._name, self._model, self._task = name, model, task
        self._checking = len(task.held_out) > 0
        if self._checking:
            recipe, device = task.recipe, task.device
            self._forget = Batches(task.examples, task.forget, recipe, device, augment=False)
            self._validation = Batches(task.examples, task.held_out, recipe, device, augment=False)
            self._floor = accuracy(name, model, self._validation, task, "validation") - max_utility_loss
            self._best: tuple[int, dict[str, Tensor]] = (0, _state(model))

    def after_pass(self, number: int, budget: int) -> bool:
        """Whether to stop after pass ``number`` (from 1) of at most ``budget``; records why, restores if need be."""
        meter = self._task.meter
        if not self._checking:
            meter.stopped(NO_VALIDATION)
            return number >= budget
        forget = accuracy(self._name, self._model, self._forget, self._task, "forget")
        held_out = accuracy(self._name, self._model, self._validation, self._task, "validation")
        meter.checked(Check(number, forget, held_out))
        if held_out < self._floor:
            meter.stopped(
                f"utility floor: validation accuracy {held_out:.4f} below {self._floor:.4f} after pass {number}; "
                f"state after pass {self._best[0]} restored"
            )
            self._model.load_state_dict(self._best[1])
            return True
        self._best = (number, _state(self._model))
        if forget <= held_out:
            meter.stopped(f"forget accuracy {forget:.4f} <= validation accuracy {held_out:.4f} after pass {number}")
            return True
        meter.stopped(f"budget ({budget} passes)")
        return number >= budget


def _state(model: Classifier) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}
