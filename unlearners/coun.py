"""CoUn: fine-tuning with a contrastive module, on the retain set alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import Positive, Weight
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.retain_phase import RetainPhase
from vestige.unlearners.shared.view_contrast import ViewContrast, Views


@register(
    "coun",
    description="Fine-tune on the retain set while two views of each image attract and all others repel each other.",
    citation="Khalil et al. 2025, arXiv 2509.16391 (CoUn)",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class CoUn(RetainPhase):
    """``CE(h(Z), Y) + weight * L_CL(Z, Z')`` on two views of every retain batch: ``finetune`` with the module.

    ``L_CL = CE(S / t, arange) + CE(S^T / t, arange)`` of the cosines S between the representations of the two views, as
    in the listing of the paper's appendix: the positive is in the denominator, though the text calls all others the
    negatives, and the representation is that before the last linear layer, without a projection head. Logits come from
    the first view alone; gradients go through both.

    weight: lambda; 0 makes the method ``finetune``, without a second view. temperature: t. views, noise: how views are
    made (``ViewContrast``). bn: batch statistics by default, so that both views update the running ones.

    Defaults: temperature and weights lie in the ranges of the paper ((0, 0.3], best 0.1, and [0.1, 6]); the rate of l
    is within its [0.01, 0.1], with a cosine, for up to 50 of 182 epochs; weights and rates of xs and s are this
    project's sweep on digits, m is a proposal. Without an augmentation in the recipe the views are noise: crops and
    mirror images that the network never saw cost retain accuracy.

    Cost: epochs x retain images x 6 image passes (the paper's tables count 4).
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.5, s=1.5, m=0.3, l=0.3),
        "share": BySize(xs=0.3, s=0.3, m=0.3, l=0.3),
        "weight": BySize(xs=0.1, s=0.5, m=0.5, l=1.0),
    }
    search: ClassVar[Mapping[str, Grid]] = {
        "rate": Scaled(0.3, 1.0, 2.0),
        "weight": Scaled(0.3, 1.0, 3.0),
        "temperature": Among(0.05, 0.1, 0.3),
    }

    weight: Weight | None = None
    temperature: Positive = 0.1
    views: Views | None = None
    noise: Positive = 0.1

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` further on two views of the retain set."""
        return self._train_on_retain(model, task, lambda network, seen: retain_loss(seen.logits, seen.y, task.recipe))

    def _contrast(self) -> ViewContrast:
        return ViewContrast(
            weight=filled(self.weight), temperature=self.temperature, views=self.views, noise=self.noise
        )
