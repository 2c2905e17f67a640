"""CF-k: fine-tune the last blocks on the retain set and leave the rest alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import Among, BySize, Grid, Scaled, filled
from vestige.unlearners.core.ranges import Count
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.blocks import last_blocks
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.retain_phase import ContrastHost


@register(
    "cf_k",
    description="Freeze all but the last blocks and fine-tune these on the retain set.",
    citation="Goel et al. 2022, arXiv 2201.06640 (CF-k)",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class CFk(ContrastHost):
    """``min CE(f, D_r)`` over the last ``k`` blocks of the body and the head; with all blocks it is ``finetune``.

    k: blocks as ``blocks.blocks_of`` counts them: a layer with its normalisation, or a residual or
    transformer block. The frozen part keeps its weights and, in eval mode, its running statistics to the last bit. No
    guarantee covers it: its features were learnt from the forget set too.

    Defaults: a code around SCRUB trains the last stage and the head for 10 epochs at 0.01; l is that (two blocks of
    ResNet-18, a tenth of the rate), m a proposal. xs and s have one block at the recipe's rate for 30 % of its epochs.
    Batch normalisation of the trained part trains, with the recipe's augmentation.

    Cost: epochs x retain images x (1 + 2 phi) forward passes' FLOPs, phi the trained part's
    share of the network's.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=1.0, m=0.1, l=0.1),
        "share": BySize(xs=0.3, s=0.3, m=0.1, l=0.1, few_images=0.3),
        "k": BySize(xs=1, s=1, m=1, l=2),
    }
    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.3, 1.0, 2.0), "k": Among(1, 2)}

    k: Count | None = None

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Train the end of ``model`` further."""
        tail = last_blocks(self.entry.name, model, filled(self.k), task)
        return self._train_on_retain(
            model,
            task,
            lambda network, seen: retain_loss(seen.logits, seen.y, task.recipe),
            still=tail.still,
            backward_share=tail.share,
        )
