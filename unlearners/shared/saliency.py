"""Which weights the forget set pulls at most."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import check_finite_weights
from vestige.unlearners.shared.gradients import batch_gradient
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import Pool


def saliency_mask(name: str, model: Classifier, task: Task, *, share: float, batch_size: int) -> list[Tensor]:
    """For each trainable parameter, which of its entries are among the ``share`` of all with the largest ``|sum over
    forget batches of the gradient of the batch's mean cross-entropy|``.

    The gradients keep their signs until they are summed, so batches may cancel. Eval mode, un-augmented images, true
    labels, no autocast; a last batch that is smaller counts as much as the others. Costs 3 image passes for each forget
    image.
    Raises DataError on behalf of method ``name`` when a gradient is not finite.
    """
    model.eval()
    summed = [torch.zeros_like(parameter) for parameter in trainable(model)]
    for x, y in Pool(task, "forget", augment=False).plain(batch_size):
        for total, gradient in zip(summed, batch_gradient(model, x, y), strict=True):
            total += gradient
        task.meter.forward("forget", len(y))
        task.meter.backward("forget", len(y))
    for total in summed:
        check_finite_weights(name, "the gradient of the forget set", total)
    return largest(summed, share)


def largest(values: Sequence[Tensor], share: float) -> list[Tensor]:
    """Bool, shaped like ``values``: the ``int(share * entries)`` entries of largest magnitude among all tensors
    together; of equal ones, those that come first."""
    flat = torch.cat([value.abs().flatten() for value in values])
    kept = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    kept[torch.argsort(flat, descending=True, stable=True)[: int(share * len(flat))]] = True
    parts = kept.split([value.numel() for value in values])  # type: ignore[no-untyped-call]
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]
