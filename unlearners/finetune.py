"""Fine-tuning on the retain set."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.retain_phase import ContrastHost


@register(
    "finetune",
    description="Go on training on the retain set alone: what is no longer rehearsed is forgotten.",
    citation="Golatkar et al. 2020, arXiv 1911.04933; Warnecke et al. 2023, arXiv 2108.11577",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Finetune(ContrastHost):
    """``min CE(f, D_r)`` from the original's weights.

    Defaults: 30 % of the recipe's epochs with a cosine from a rate near the original's peak; at a small constant rate,
    as in several published codes (0.01, 10 epochs), almost nothing is forgotten. Rates of xs and s are a sweep of this
    project; l is the CoUn comparison (0.03 at a peak of 0.1, cosine to 1e-4, up to 50 of 182 epochs); m is a proposal.
    Batch normalisation trains, with the recipe's augmentation. Cost: epochs x retain images x 3 image passes.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=1.5, m=0.3, l=0.3),
        "share": BySize(xs=0.3, s=0.3, m=0.3, l=0.3),
    }

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train ``model`` further on the retain set."""
        return self._train_on_retain(model, task, lambda network, seen: retain_loss(seen.logits, seen.y, task.recipe))
