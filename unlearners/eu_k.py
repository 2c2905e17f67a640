"""EU-k: train the last blocks from scratch on the retain set and leave the rest alone."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from vestige.learners.errors import DataError
from vestige.learners.seeds import seeded_torch
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.batches import Batches
from vestige.learners.training.train import check_finite, fit
from vestige.unlearners.core.defaults import Among, BySize, Grid, filled
from vestige.unlearners.core.ranges import Count
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.blocks import last_blocks


@register(
    "eu_k",
    description="Initialise the last blocks afresh and train them on the retain set with the original's recipe.",
    citation="Goel et al. 2022, arXiv 2201.06640 (EU-k)",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class EUk(Unlearner):
    """``min CE(f, D_r)`` over the last ``k`` blocks of the body and the head, from fresh weights, for all of the
    recipe's epochs, with its optimiser and schedule; with all blocks it is ``retrain``, bit for bit.

    k: blocks as ``blocks.blocks_of`` counts them. initial_seed: seed of the fresh weights, None for the
    task's. Given the original's own seed they are the weights it started from, as in a code around SCRUB. The frozen
    part keeps its weights and, in eval mode, its running statistics to the last bit; no guarantee covers it.
    Batch normalisation of the trained part starts afresh and trains, with the recipe's augmentation.

    Defaults: the last stage and the head from that code, which is two blocks of ResNet-18; else one block, a proposal.

    Cost: recipe epochs x retain images x (1 + 2 phi) forward passes' FLOPs, phi the trained part's
    share of the network's.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {"k": BySize(xs=1, s=1, m=1, l=2)}
    search: ClassVar[Mapping[str, Grid]] = {"k": Among(1, 2)}

    k: Count | None = None
    initial_seed: Annotated[int, Field(ge=0)] | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train the end of ``model`` again."""
        tail = last_blocks(self.entry.name, model, filled(self.k), task)
        self._initialise(model, tail.keys, task)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as retrain trains it
        batches = Batches(task.examples, task.retain, task.recipe, task.device)
        with seeded_torch(task.seed, "dropout"):
            fit(_HeldStill(model, tail.still), batches, task.recipe, task.seed, progress=task.report)
        check_finite(model, task.recipe)
        images = task.recipe.epochs * len(task.retain)
        task.meter.forward("retain", images)
        task.meter.backward("retain", images, share=tail.share)
        task.meter.stopped(f"budget ({task.recipe.epochs} epochs)")
        return model

    def _initialise(self, model: Classifier, keys: frozenset[str], task: Task) -> None:
        seed = task.seed if self.initial_seed is None else self.initial_seed
        fresh = build_classifier(task.recipe, task.examples.shape, model.classes, seed).state_dict()
        state = model.state_dict()
        if {key: tensor.shape for key, tensor in fresh.items()} != {key: tensor.shape for key, tensor in state.items()}:
            raise DataError(
                f"{self.entry.name}: expected a model of the recipe's architecture {task.recipe.architecture}, whose "
                "fresh weights it needs, got another; correct the recipe"
            )
        model.load_state_dict({key: fresh[key] if key in keys else tensor for key, tensor in state.items()})
        for key, parameter in model.named_parameters():
            if key in keys:
                parameter.requires_grad_(True)  # fresh weights that are never trained would be of no use


class _HeldStill(Classifier):
    """The same network, of which some modules are in eval mode even while it trains."""

    def __init__(self, model: Classifier, still: Sequence[nn.Module]) -> None:
        super().__init__(model.body, model.head)
        self._still = tuple(still)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self._still:
            module.eval()
        return self
