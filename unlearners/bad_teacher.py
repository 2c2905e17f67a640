"""Bad teaching: an untrained network teaches the forget set, the original teaches the retain set."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from scipy.special import log_softmax, rel_entr
from torch import Tensor

from vestige.learners.arrays import Indices, Logits
from vestige.learners.seeds import derive_seed, torch_generator
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, epochs_of, filled
from vestige.unlearners.core.ranges import BatchSize, Fraction, Positive, Share
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.losses import distillation_loss
from vestige.unlearners.shared.optimisation import Steps, constant_adam
from vestige.unlearners.shared.steps import autocast, frozen_copy, train_mode


def zero_retrain_forgetting(candidate: Logits, incompetent: Logits) -> float:
    """ZRF in [0, 1]: 1 less the mean Jensen-Shannon divergence, in bits, of two models' softmax outputs on the forget
    set; 1 when they agree. Logits ``[n, classes]``; incompetent: of an untrained network.

    High for a model that is as clueless as the untrained one; a retrain, which knows the classes, is not. So it says
    how far a method went, not whether it went as far as a retrain. Source: Chundawat et al., arXiv 2205.08096; bits
    are our choice of unit, for the range.
    """
    p, q = (np.exp(log_softmax(np.asarray(logits, dtype=np.float64), axis=1)) for logits in (candidate, incompetent))
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / (2 * math.log(2))
    return float(1 - divergence.mean())


class Teachers(NamedTuple):
    """Frozen networks in eval mode. good: the original. bad: untrained."""

    good: Classifier
    bad: Classifier

    def logits(self, x: Tensor, forget: Tensor) -> Tensor:
        """float32 ``[b, classes]``: images where ``forget`` (bool ``[b]``) holds by the bad teacher, the others by the
        good one; no image passes through both."""
        logits = torch.empty(len(x), self.good.classes, device=x.device)
        for teacher, chosen in ((self.good, ~forget), (self.bad, forget)):
            if chosen.any():
                with torch.no_grad():
                    logits[chosen] = teacher(x[chosen]).float()
        return logits


def retain_subset(task: Task, share: float) -> Indices:
    """``floor(share * retain images)`` of the retain set, drawn from the task's seed."""
    order = torch.randperm(len(task.retain), generator=torch_generator(task.seed, "retain subset"))
    return np.sort(task.retain[order[: math.floor(share * len(task.retain))].numpy()])


@register(
    "bad_teacher",
    description="Learn an untrained network's outputs on the forget set and the original's on part of the retain set.",
    citation="Chundawat et al. 2023, arXiv 2205.08096 (Bad Teaching)",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class BadTeacher(Unlearner):
    """``min KL(p_bad || p) on D_f + KL(p_original || p) on part of D_r``, in mixed batches.

    learning_rate: of Adam, absolute, without weight decay. share: epochs, as a share of the recipe's. retain_share: of
    the retain set, drawn once from the seed, in [0, 1]. temperature: of both softmaxes. batch_size: None for the
    recipe's. bn: batch statistics, or running ones. The bad teacher is the recipe's network with weights of the task's
    seed, in eval mode, with the running statistics it was born with: where it has batch normalisation its outputs are
    arbitrary rather than uniform.

    The KL is summed over classes and averaged over the batch; the released code averages over classes too, so its loss
    is ``classes`` times smaller, which Adam hides. The code passes every image through both teachers (5 image passes);
    here each image meets the one teacher whose output counts.

    Defaults: l has the published rate, epoch, temperature and 30 % of the retain set; m is a proposal; xs and s are a
    sweep of this project, in which 30 % of a small retain set, or one epoch, either changed nothing or cost a third of
    the utility, so they use all of it.

    Cost: epochs x (forget images + drawn retain images) x 4 image passes.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "learning_rate": BySize(xs=1e-3, s=1e-3, m=3e-4, l=1e-4),
        "share": BySize(xs=0.05, s=0.1, m=0.01, l=0.005),
        "retain_share": BySize(xs=1.0, s=1.0, m=0.3, l=0.3),
    }
    search: ClassVar[Mapping[str, Grid]] = {
        "learning_rate": Scaled(0.1, 0.3, 1.0, 3.0),
        "share": Scaled(1.0, 2.0, 5.0),
        "retain_share": Among(0.3, 1.0),
    }
    step_parameter: ClassVar[str] = "learning_rate"

    learning_rate: Positive | None = None
    share: Share | None = None
    retain_share: Fraction | None = None
    temperature: Positive = 1.0
    batch_size: BatchSize | None = None
    bn: Literal["train", "frozen"] = "train"

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Learn from both teachers in place."""
        epochs, batch_size = epochs_of(filled(self.share), task.recipe), self.batch_size or task.recipe.batch_size
        seed = derive_seed(task.seed, "incompetent teacher")
        untrained = build_classifier(task.recipe, task.examples.shape, model.classes, seed).to(task.device)
        teachers = Teachers(good=frozen_copy(model), bad=frozen_copy(untrained))
        kept = retain_subset(task, filled(self.retain_share))
        if not len(kept):
            task.meter.note(f"no retain image was drawn: retain_share of {len(task.retain)} images is less than one")
        adam = constant_adam(filled(self.learning_rate), self.step_parameter)
        steps, batches = Steps(self.entry.name, model, adam), _both(task, kept)
        order, augmentation = (torch_generator(task.seed, "both", purpose) for purpose in ("order", "augmentation"))
        for epoch in range(epochs):
            for x, forget in batches.epoch(order, augmentation, batch_size):
                with train_mode(model, frozen=self.bn == "frozen"), autocast(task):
                    loss = distillation_loss(teachers.logits(x, forget), model(x), self.temperature)
                forgotten = int(forget.sum())
                task.meter.forward("forget", 2 * forgotten)
                task.meter.backward("forget", forgotten)
                task.meter.forward("retain", 2 * (len(forget) - forgotten))
                task.meter.backward("retain", len(forget) - forgotten)
                steps.take(loss)
            task.report(epoch + 1, epochs)
        task.meter.stopped(f"budget ({epochs} epochs)")
        return model


def _both(task: Task, retained: Indices) -> Batches:
    """The forget set and part of the retain set as one, with whether an image is to be forgotten in place of labels."""
    forget = torch.arange(len(task.forget) + len(retained)) < len(task.forget)
    indices = np.concatenate([task.forget, retained])
    return Batches(task.examples, indices, task.recipe, task.device, targets=forget)
