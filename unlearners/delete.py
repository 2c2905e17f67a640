"""DELETE: decoupled distillation to erase."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, check_finite_weights
from vestige.unlearners.shared.forget_phase import ForgetPhase
from vestige.unlearners.shared.pool import Pool


def erased_targets(logits: Tensor, labels: Tensor) -> Tensor:
    """The softmax over the wrong classes alone, float32 ``[b, classes]``: 0 for the true class, and for the others the
    ratios that they had. logits ``[b, classes]``, labels int64 ``[b]``."""
    return logits.float().scatter(1, labels[:, None], -torch.inf).softmax(1)


def erasure_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """``KL(targets || softmax(logits))``, summed over classes, mean over the batch; both ``[b, classes]``, targets are
    probabilities and may be 0. With the targets of the same logits it is the mean of ``-ln(1 - p_true)``."""
    with torch.autocast(logits.device.type, enabled=False):
        return F.kl_div(F.log_softmax(logits.float(), dim=1), targets, reduction="batchmean")


@register(
    "delete",
    description="Distil the original into itself with the true class masked out of its prediction.",
    citation="Zhou et al. 2025, arXiv 2503.23751 (DELETE)",
    settings=("class", "sample", "subject"),
    reads=("forget", "validation"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Delete(ForgetPhase):
    """``min KL(q(x) || p(x))`` over D_f, where q is the original's softmax with the true logit at minus infinity.

    The hyper-parameters are those of ``ForgetPhase``; the rate is that of a whole pass. What the original thought of
    the other classes keeps its ratios. Made for whole classes: on other forget sets it wants every forget example
    wrong, which a retrain's would not be; in this project's sweep utility fell first. The record says so.

    Targets are made once, on un-augmented images with the original in eval mode. The released code runs the original
    again on every augmented batch, which costs a forward pass an image and pass and is the same where the recipe has
    no augmentation. It masks with -1e10, which float16 cannot hold; here it is minus infinity in float32. Batch
    normalisation uses its running statistics, which is a switch of the code. Without retain images the class goes
    unrecognised but stays visible to an attack.

    Defaults: rates of xs and s are a sweep of this project on digits, where the rule held after 3 to 6 passes; on a
    small network for CIFAR-10 twice and half the rate did the same. Larger ones cost other classes. Rates of m and l
    stand for the code's 1e-4 a step on 5,000 images in batches of 128 (40 steps a pass, peak 0.1); the 20 passes are
    the code's.

    Cost: forget images once for the targets, then passes x forget images x 3 image passes, plus what the stopping rule
    reads (``StoppingRule``).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.01, s=0.005, m=0.04, l=0.04),
        "passes": BySize(xs=20, s=20, m=20, l=20),
    }

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` towards what the original would have said of the other classes."""
        if task.setting != "class":
            task.meter.note(
                "delete is made for whole classes; of other forget sets it wants every example wrong, which a model "
                "trained without them would not have"
            )
        return self._train_on_forget(
            model,
            task,
            lambda network, seen: erasure_loss(seen.logits, seen.y),
            targets=lambda: self._targets(model, task),
        )

    def _targets(self, model: Classifier, task: Task) -> Tensor:
        """The original's predictions without the true class, float32 ``[n_forget, classes]``."""
        model.eval()
        targets = []
        for x, y in Pool(task, "forget", augment=False).plain(task.recipe.batch_size):
            with torch.no_grad():
                logits = model(x)
            task.meter.forward("forget", len(y))
            check_finite_weights(self.entry.name, "the original's logits", logits)
            targets.append(erased_targets(logits, y))
        return torch.cat(targets)
