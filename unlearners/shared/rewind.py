"""Going back to the epoch whose forget error looks like that of data never seen (SCRUB+R)."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from vestige.learners.errors import DataError
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.cost import Check, Role
from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.pool import unaugmented
from vestige.unlearners.shared.stopping import accuracy


def rewind_to(errors: Sequence[float], reference: float) -> int:
    """The epoch (from 1) whose error is closest to ``reference``; the last of those that are equally close."""
    distance = np.abs(np.asarray(errors) - reference)
    return int(len(distance) - distance[::-1].argmin())


class Rewind:
    """Keeps the state after every epoch and at the end restores one.

    The reference is the final model's error on the validation examples of each class of the forget set, averaged with
    the forget set's shares of the classes: what weighting whole examples would give. Chosen is the epoch whose error on
    the forget set is closest to it. States wait in main memory.

    Costs one forward pass on each forget image after every epoch, and one on each validation image of a class of the
    forget set at the end. Raises DataError when no validation example has a class of the forget set; classes without
    any are left out, and the record says so.
    """

    def __init__(self, name: str, task: Task) -> None:
        self._name, self._task = name, task
        labels = task.examples.labels
        held_out = labels[task.held_out]
        classes, counts = np.unique(labels[task.forget], return_counts=True)
        covered = np.isin(classes, held_out)
        if not covered.any():
            raise DataError(
                f"{name}: expected validation examples of the forget set's classes for rewind, got none; "
                "add validation examples or switch rewind off"
            )
        if not covered.all():
            task.meter.note(
                f"rewind: no validation example of {int((~covered).sum())} of the {len(classes)} classes of the "
                "forget set; they are left out of the reference"
            )
        self._shares = counts[covered] / counts[covered].sum()
        self._of_class = [unaugmented(task, task.held_out[held_out == label]) for label in classes[covered]]
        self._forget = unaugmented(task, task.forget)
        self._errors: list[float] = []
        self._states: list[dict[str, Tensor]] = []

    def keep(self, model: Classifier) -> None:
        """Remember ``model`` as it is after one more epoch."""
        self._errors.append(self._error(model, self._forget, "forget"))
        self._states.append({key: tensor.to("cpu", copy=True) for key, tensor in model.state_dict().items()})

    def restore(self, model: Classifier) -> None:
        """Take ``model``, which is that of the last epoch, back to the chosen one."""
        errors = [self._error(model, batches, "validation") for batches in self._of_class]
        reference = float(np.dot(self._shares, errors))
        chosen, last = rewind_to(self._errors, reference), len(self._errors)
        for epoch, error in enumerate(self._errors, start=1):
            held_out = 1 - reference if epoch == last else None
            self._task.meter.checked(Check(epoch, 1 - error, held_out))
        self._task.meter.stopped(
            f"rewind to epoch {chosen} of {last}: forget error {self._errors[chosen - 1]:.4f}, "
            f"reference {reference:.4f}"
        )
        model.load_state_dict(self._states[chosen - 1])

    def _error(self, model: Classifier, batches: Batches, role: Role) -> float:
        return 1 - accuracy(self._name, model, batches, self._task, role)
