"""What methods that take gradient steps share: modes of the network, one pass over a pool, the cap of an ascent."""

import copy
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.optimisation import Steps
from vestige.unlearners.shared.pool import Pool

Normalisation = Literal["train", "frozen", "frozen_on_forget"]


class Seen(NamedTuple):
    """A batch and what the network makes of it: x ``[b, channels, height, width]``, y ``[b, ...]``, representation
    ``[b, d]``, logits ``[b, classes]``."""

    x: Tensor
    y: Tensor
    representation: Tensor
    logits: Tensor


Loss = Callable[[Classifier, Seen], Tensor | None]
"""The loss of a batch; None leaves the batch without a step."""


@contextmanager
def train_mode(model: nn.Module, *, frozen: bool, still: Collection[nn.Module] = ()) -> Iterator[None]:
    """Train mode inside; with ``frozen``, batch normalisation uses its running statistics and leaves them alone (its
    scale and shift still train), which a batch of a single image needs in any case, for it has no statistics; the
    modules in ``still`` stay in eval mode altogether."""
    model.train()
    norms = [module for module in model.modules() if frozen and isinstance(module, _BatchNorm)]
    for module in [*norms, *still]:
        module.eval()
    try:
        yield
    finally:
        model.train()


def autocast(task: Task) -> torch.autocast:
    """The recipe's precision for a forward pass."""
    return torch.autocast(task.device.type, torch.bfloat16, enabled=task.recipe.precision == "bfloat16")


def see(model: Classifier, x: Tensor, y: Tensor) -> Seen:
    """One forward pass."""
    representation = model.represent(x)
    return Seen(x, y, representation, model.head(representation))


def frozen_copy(model: Classifier) -> Classifier:
    """A teacher: the same network in eval mode, without gradients."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def above_cap(loss: Tensor, cap: float, classes: int) -> bool:
    """Whether a loss that is being maximised has left the useful range: more than ``cap`` times that of a guess."""
    return float(loss.detach()) > cap * math.log(classes)


def one_pass(
    model: Classifier,
    task: Task,
    steps: Steps,
    pool: Pool,
    *,
    batch_size: int,
    frozen: bool,
    loss: Loss,
    still: Collection[nn.Module] = (),
    backward_share: float = 1.0,
) -> None:
    """One shuffled, augmented pass over ``pool``, a step on ``loss`` for each batch.

    Counts one forward pass for each image and, where there is a loss, one backward pass through ``backward_share`` of
    the network; what else ``loss`` does, it counts. frozen: batch normalisation uses its running statistics. still:
    modules that stay in eval mode.
    """
    for x, y in pool.epoch(batch_size):
        with train_mode(model, frozen=frozen or len(y) == 1, still=still), autocast(task):
            value = loss(model, see(model, x, y))
        task.meter.forward(pool.role, len(y))
        if value is not None:
            task.meter.backward(pool.role, len(y), share=backward_share)
            steps.take(value)
