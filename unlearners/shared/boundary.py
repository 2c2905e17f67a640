"""Where an image would fall if it crossed the nearest decision boundary."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import to_input
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import check_finite_weights
from vestige.unlearners.shared.pool import Pool

LEVELS = 255
"""Pixels are whole multiples of 1 / 255."""


def sign_attack(model: Classifier, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """One step of the fast gradient sign method in pixel space; network inputs ``[b, channels, height, width]`` in and
    out, y int64 ``[b]``.

    In pixels of [0, 1]: ``clip(x + epsilon * sign(grad_x CE(model(x), y)), 0, 1)``, rounded to multiples of 1 / 255.
    The network's input rises with the pixel, so both gradients have the same sign. The caller sets the model's
    mode; no gradient reaches its parameters. Source: Goodfellow et al. 2015, arXiv 1412.6572, with the grid of Chen
    et al. 2023, arXiv 2303.11570.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)
    pixels = (x.detach() * 63.75 + 127.5).round()
    moved = (pixels + LEVELS * epsilon * gradient.sign()).round().clamp(0, LEVELS)
    return to_input(moved.permute(0, 2, 3, 1))


def neighbours(model: Classifier, task: Task, name: str, *, epsilon: float, exclude_true: bool) -> Tensor:
    """The class next to each forget image, int64 ``[n_forget]`` in the order of the forget set: the largest logit of
    the attacked image, its own class left out unless ``exclude_true`` is False.

    Un-augmented, in eval mode and float32. Counts two forward and one backward pass for each forget image. Raises
    DataError on behalf of method ``name`` when a logit is not finite.
    """
    model.eval()
    classes = []
    for x, y in Pool(task, "forget", augment=False).plain(task.recipe.batch_size):
        attacked = sign_attack(model, x, y, epsilon)
        with torch.no_grad():
            logits = model(attacked)
        task.meter.forward("forget", 2 * len(y))
        task.meter.backward("forget", len(y))
        check_finite_weights(name, "the original's logits", logits)
        if exclude_true:
            logits = logits.scatter(1, y[:, None], -torch.inf)
        classes.append(logits.argmax(1))
    return torch.cat(classes)
