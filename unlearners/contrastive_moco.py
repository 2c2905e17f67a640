"""Contrastive Unlearning against a queue of keys from a momentum encoder."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.seeds import numpy_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import Fraction
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.contrastive_losses import ContrastiveTerm, contrastive_class_loss, queue_loss
from vestige.unlearners.shared.contrastive_phase import ContrastivePhase
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.queue import Queue
from vestige.unlearners.shared.steps import autocast, frozen_copy

KEYS_PER_CLASS = 20
"""At least this many keys for each class of the task: fewer hardly show where a class lies."""


@register(
    "contrastive_moco",
    description="Contrast forget examples with a queue of keys of retain examples from a momentum encoder.",
    citation="Lee et al. 2024, arXiv 2401.10458 (Contrastive Unlearning), the queue form of its public discussion; "
    "He et al. 2020, arXiv 1911.05722 (MoCo)",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class ContrastiveMoCo(ContrastivePhase):
    """``contrastive`` with ``queue_loss``: the contrast set is a queue of ``queue`` keys in place of the retain batch.

    Before the first step one pass without gradient fills the queue with class-balanced retain images. Each step draws a
    retain batch for the cross-entropy; after it the momentum encoder moves, ``k <- m k + (1 - m) q``, and its keys of
    that batch go in while the oldest leave. Forget examples never enter the queue.

    A class that goes whole has no keys of its own for the softmax to push away from, and its denominator then undoes
    most of the pull; for classes the loss is ``contrastive_class_loss`` against the queue.

    queue: keys; at least 20 for each class and at most the retain images, and the record says when that changes it.
    key_momentum: m; 0 keeps the encoder equal to the network, 1 equal to the original. The other parameters are those
    of ``contrastive``: rate (a multiple of the recipe's), passes, omega, temperature, weight, retain_weight,
    batch_size, momentum (of SGD), normalise, bn, max_utility_loss (a fraction).

    Batch normalisation: the encoder runs in eval mode, so that a key does not depend on the batch it came in, and its
    running statistics follow the network's with the same m; its weights and statistics are therefore of one age.

    Defaults: the queue is the released code's 2,000, fewer on small networks; m falls with the size because after few
    steps a large m would leave all keys at the original (0.99 ^ 240 is 0.09). The released code cannot run as it is: it
    contrasts with the same class while the queue fills, trains a copy that its optimiser does not hold, and has the
    momentum encoder commented out; the loss here is per anchor and the encoder is used. Rates and weights of xs and s
    are a sweep of this project, those of m and l are the ones of ``contrastive``, as is the rest.

    Cost: queue forward passes to fill it, then passes x omega x (forget images x 3 + forget batches x retain batch x 4)
    image passes, plus what the stopping rule reads (``StoppingRule``).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        **ContrastivePhase.by_size,
        "rate": BySize(xs=1.0, s=0.1, m=0.01, l=0.01),
        "queue": BySize(xs=500, s=500, m=2000, l=2000),
        "key_momentum": BySize(xs=0.0, s=0.9, m=0.99, l=0.99),
    }
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {
        **ContrastivePhase.by_size_of_class,
        "weight": BySize(xs=2.0, s=2.0, m=1.0, l=1.0),
    }
    search: ClassVar[Mapping[str, Grid]] = {
        "rate": Scaled(0.3, 1.0, 3.0),
        "weight": Scaled(0.3, 1.0, 3.0),
        "queue": Scaled(0.5, 1.0, 2.0),
        "key_momentum": Among(0.0, 0.9, 0.99),
    }

    queue: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    key_momentum: Fraction | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Take the steps in place, a pass at a time until the rule holds."""
        if filled(self.passes) == 0:
            task.meter.stopped("budget (0 passes)")
            return model
        heat, unit = self.temperature, self.normalise
        retain, encoder = Pool(task, "retain"), frozen_copy(model)
        keys = Queue(self._size(task))

        def enqueue(x: Tensor, y: Tensor) -> None:
            with torch.no_grad(), autocast(task):
                representation = encoder.represent(x)
            task.meter.forward("retain", len(y))
            keys.enqueue(F.normalize(representation.float(), dim=1) if unit else representation.float(), y)

        def follow(x: Tensor, y: Tensor) -> None:
            move_towards(encoder, model, filled(self.key_momentum))
            enqueue(x, y)

        first = Pool(task, "retain", indices=balanced(task, self._size(task)), purpose="queue")
        for x, y in first.epoch(self.batch_size):
            enqueue(x, y)

        def term(anchors: Tensor, labels: Tensor, _: Tensor, __: Tensor) -> ContrastiveTerm:
            if task.setting == "class":
                return contrastive_class_loss(anchors, keys.keys, temperature=heat, normalise=unit)
            return queue_loss(anchors, labels, keys.keys, keys.labels, temperature=heat, normalise=unit)

        return self._run(model, task, draw=lambda y: retain.draw(self.batch_size), term=term, after_step=follow)

    def _size(self, task: Task) -> int:
        wanted, smallest = filled(self.queue), KEYS_PER_CLASS * task.examples.classes
        size = min(max(wanted, smallest), len(task.retain))
        if size != wanted:
            task.meter.note(
                f"the queue holds {size} keys in place of {wanted}: at least {KEYS_PER_CLASS} a class, "
                f"at most the {len(task.retain)} retain images"
            )
        return size


@torch.no_grad()
def move_towards(encoder: Classifier, model: Classifier, momentum: float) -> None:
    """``k <- momentum k + (1 - momentum) q`` for parameters and running statistics, in place; counters are copied,
    unless momentum is 1, which leaves everything as it is. At 0 the encoder equals the model to the last bit."""
    if momentum == 1:
        return
    for key, query in zip(encoder.state_dict().values(), model.state_dict().values(), strict=True):
        if momentum > 0 and key.is_floating_point():
            key.lerp_(query, 1 - momentum)
        else:
            key.copy_(query)


def balanced(task: Task, size: int) -> Indices:
    """``size`` retain indices, equally many of each class as far as there are; which ones, the task's seed decides."""
    random = numpy_generator(task.seed, "retain", "queue")
    shuffled = random.permutation(task.retain)
    labels = task.examples.labels[shuffled]
    place = np.zeros(len(shuffled), dtype=np.int64)  # how many of its class come before each
    for label in np.unique(labels):
        of_class = labels == label
        place[of_class] = np.arange(int(of_class.sum()))
    return shuffled[np.argsort(place, kind="stable")[:size]]
