"""CoUn's contrastive module: two views of each retain image attract, everything else in the batch repels."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Strict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.ranges import Positive, Weight
from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.losses import view_contrastive_loss
from vestige.unlearners.shared.optimisation import Steps
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.steps import Loss, autocast, see, train_mode

Views = Literal["recipe", "noise"]


# Strict field by field and not as a whole, so that a table of an audit file can stand for it.
@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ViewContrast:
    """The module as an option of methods that train on retain images (Khalil et al. 2025, arXiv 2509.16391, F.3).

    weight: of the term in the sum with the host's loss; 0 leaves the host as it is, bit for bit. temperature: of the
    cosines. views: two draws of the recipe's augmentation (``recipe``), or the same with Gaussian noise on top
    (``noise``); None for the first where the recipe augments and for the second where it does not. The host's loss is
    that of the first view, noise included. noise: standard deviation in units of the network's input, which lies in
    [-2, 2].
    """

    weight: Annotated[Weight, Strict()] = 1.0
    temperature: Annotated[Positive, Strict()] = 0.1
    views: Views | None = None
    noise: Annotated[Positive, Strict()] = 0.1

    def noisy(self, name: str, task: Task) -> bool:
        """Whether the views are made by noise; the same for the whole run. Raises ConfigError on behalf of
        method ``name`` where the two views would be equal."""
        if self.views == "recipe" and task.recipe.augmentation == "none":
            raise ConfigError(
                f"{name}: expected views = 'noise' for a recipe without augmentation, got 'recipe', which would make "
                "both views the same image; set views to noise or leave it out"
            )
        return self.views == "noise" or task.recipe.augmentation == "none"


def contrast_pass(
    model: Classifier,
    task: Task,
    steps: Steps,
    pool: Pool,
    contrast: ViewContrast,
    *,
    batch_size: int,
    frozen: bool,
    loss: Loss,
    still: Collection[nn.Module] = (),
    backward_share: float = 1.0,
) -> None:
    """``one_pass`` on ``loss`` of the first view plus the contrastive term of both; gradients go through both views.

    Counts two forward and two backward passes for each image, and no backward pass for a batch without a loss, which is
    left without a step as in ``one_pass``.
    """
    for x, other, y in _views(pool, contrast, contrast.noisy(steps.name, task), batch_size):
        with train_mode(model, frozen=frozen or len(y) == 1, still=still), autocast(task):
            seen = see(model, x, y)
            second = model.represent(other)  # before the host's loss, which may leave the network in another mode
            host = loss(model, seen)
        task.meter.forward(pool.role, 2 * len(y))
        if host is not None:
            term = view_contrastive_loss(seen.representation, second, contrast.temperature)
            task.meter.backward(pool.role, 2 * len(y), share=backward_share)
            steps.take(host + contrast.weight * term)


def _views(pool: Pool, contrast: ViewContrast, noisy: bool, batch_size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for x, other, y in pool.pairs(batch_size):
        if noisy:
            x, other = (
                view + contrast.noise * torch.randn(view.shape, generator=pool.noise).to(view) for view in (x, other)
            )
        yield x, other, y
