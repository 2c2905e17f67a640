"""Training one model: data on the device, SGD with momentum, everything random from the seed."""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import nn

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import DataError
from vestige.learners.progress import Progress
from vestige.learners.seeds import seeded_torch, torch_generator
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.batches import Batches, batch_bounds
from vestige.learners.training.device import one_thread
from vestige.learners.training.ledger import LedgerWriter
from vestige.learners.training.recipe import Recipe


def schedule_factor(schedule: str, warmup: float, step: int, total: int) -> float:
    """Share of the peak learning rate at ``step`` (0 .. total - 1): a linear rise over the first ``warmup`` share of
    the steps, then constant, or half a cosine down to zero. Defined by fractions, so fewer examples mean fewer steps
    of the same shape."""
    rising = round(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def sgd(
    parameters: Iterable[torch.Tensor],
    recipe: Recipe,
    *,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
) -> torch.optim.SGD:
    """The recipe's optimiser without any carried-over state; the keywords override the recipe's values."""
    return torch.optim.SGD(
        list(parameters),
        lr=recipe.learning_rate if learning_rate is None else learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay if weight_decay is None else weight_decay,
        nesterov=recipe.nesterov,
    )


def train(
    recipe: Recipe,
    examples: Examples,
    indices: Indices,
    seed: int,
    device: torch.device,
    *,
    progress: Progress | None = None,
    ledger: LedgerWriter | None = None,
) -> Classifier:
    """A model trained from scratch on the examples at ``indices``, in eval mode.

    Only these examples are read. The same arguments give the same bits on a CPU; initialisation, order,
    augmentation and dropout are separate streams of ``seed``. ``progress`` is called with (epochs done, epochs).
    ``ledger`` keeps the updates of the batches that it watches.
    Raises DataError when training diverges.
    """
    model = build_classifier(recipe, examples.shape, examples.classes, seed)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = Batches(examples, indices, recipe, device)
    with one_thread(), seeded_torch(seed, "dropout"):
        try:
            after_step = None if ledger is None else ledger.watch(model, indices, recipe, seed)
            fit(model, batches, recipe, seed, progress=progress, after_step=after_step)
        except BaseException:  # an interrupt too
            if ledger is not None:
                ledger.discard()
            raise
    check_finite(model, recipe)
    if ledger is not None:
        ledger.close(model)
    model.eval()
    return model


def fit(
    model: Classifier,
    batches: Batches,
    recipe: Recipe,
    seed: int,
    *,
    progress: Progress | None = None,
    after_step: Callable[[int], None] | None = None,
) -> None:
    """Train ``model`` in place for the recipe's epochs on ``batches``; ``after_step`` hears the number of every step
    (from 0) when it has been taken."""
    order, augmentation = torch_generator(seed, "order"), torch_generator(seed, "augmentation")
    optimiser = sgd(model.parameters(), recipe)
    total, step = steps_per_epoch(len(batches), recipe) * recipe.epochs, 0
    model.train()
    for epoch in range(recipe.epochs):
        for x, y in batches.epoch(order, augmentation, recipe.batch_size):
            set_rate(optimiser, recipe, step, total)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                loss = F.cross_entropy(model(x), y, label_smoothing=recipe.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if after_step is not None:
                after_step(step)
            step += 1
        if progress is not None:
            progress(epoch + 1, recipe.epochs)


def set_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, total: int) -> None:
    """The learning rate that the recipe's schedule has at ``step`` of ``total``."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * schedule_factor(recipe.schedule, recipe.warmup, step, total)


def steps_per_epoch(count: int, recipe: Recipe) -> int:
    """Optimiser steps of one pass over ``count`` examples."""
    return len(batch_bounds(count, recipe.batch_size))


def check_finite(model: nn.Module, recipe: Recipe) -> None:
    """Raise DataError when a weight is NaN or infinite."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(
                f"training diverged: {name} of {recipe.architecture} is not finite; "
                f"lower recipe.learning_rate (now {recipe.learning_rate}) or add recipe.warmup"
            )
