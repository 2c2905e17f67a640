"""Several models of one shape trained in lock-step as one stacked model (torch.func)."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError
from vestige.learners.progress import Progress
from vestige.learners.seeds import derive_seed, seeded_torch, torch_generator
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.batches import Batches
from vestige.learners.training.device import one_thread
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import check_finite, set_rate, sgd, steps_per_epoch


def train_stacked(
    recipe: Recipe,
    examples: Examples,
    index_sets: Sequence[Indices],
    seeds: Sequence[int],
    device: torch.device,
    *,
    progress: Progress | None = None,
) -> list[Classifier]:
    """One model per index set and seed, each with the initialisation, order and augmentation that ``train`` would give
    it; all index sets must have the same size. Dropout draws differ from ``train``'s, everything else agrees up to
    the rounding of batched matrix products."""
    sizes = {len(indices) for indices in index_sets}
    if len(sizes) != 1:
        raise ConfigError(f"stacked training: expected index sets of one size, got sizes {sorted(sizes)}")
    models = [build_classifier(recipe, examples.shape, examples.classes, seed).to(device).train() for seed in seeds]
    batches = [Batches(examples, indices, recipe, device) for indices in index_sets]
    with one_thread(), seeded_torch(derive_seed(seeds[0], len(seeds)), "stacked dropout"):
        parameters, buffers = _fit(models, batches, recipe, seeds, progress)
    for position, model in enumerate(models):
        state = {name: tensor[position].detach() for name, tensor in (parameters | buffers).items()}
        model.load_state_dict(state)
        check_finite(model, recipe)
    return [model.eval() for model in models]


def _fit(
    models: list[Classifier],
    batches: list[Batches],
    recipe: Recipe,
    seeds: Sequence[int],
    progress: Progress | None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    parameters, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta").train()

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            return F.cross_entropy(functional_call(base, (p, b), (x,)), y, label_smoothing=recipe.label_smoothing)

    gradients = vmap(grad(loss), randomness="different")
    optimiser = sgd(parameters.values(), recipe)  # elementwise, so stacked tensors need nothing special
    orders = [torch_generator(seed, "order") for seed in seeds]
    augmentations = [torch_generator(seed, "augmentation") for seed in seeds]
    total, step = steps_per_epoch(len(batches[0]), recipe) * recipe.epochs, 0
    for epoch in range(recipe.epochs):
        passes = [
            own.epoch(order, augmentation, recipe.batch_size)
            for own, order, augmentation in zip(batches, orders, augmentations, strict=True)
        ]
        for parts in zip(*passes, strict=True):
            x, y = torch.stack([part[0] for part in parts]), torch.stack([part[1] for part in parts])
            set_rate(optimiser, recipe, step, total)
            for name, gradient in gradients(parameters, buffers, x, y).items():
                parameters[name].grad = gradient
            optimiser.step()
            step += 1
        if progress is not None:
            progress(epoch + 1, recipe.epochs)
    return parameters, buffers
