"""Random labels on the forget set."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize, Grid, Scaled
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.random_labels import RandomLabels


@register(
    "random_label",
    description="Train towards random labels on the forget set and towards the true ones on the retain set.",
    citation="Golatkar et al. 2020, arXiv 1911.04933; Graves et al. 2021, arXiv 2010.10981",
    settings=("sample", "class", "subject"),
    reads=("forget", "retain"),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class RandomLabel(RandomLabels):
    """``min CE(f, y') on D_f + CE(f, y) on D_r`` with random ``y'``: SalUn without a mask.

    retain: False leaves the retain passes out and reads no retain image (the task names a retain set all the same); the
    contrastive module, which rides on these passes, is then refused. The other parameters are those of ``RandomLabels``
    and ``ContrastHost``.

    Defaults: l has the rate and the 10 of 182 epochs of SalUn's comparison (1e-3 at a peak of 0.1); m is a proposal;
    xs and s are a sweep of this project.

    Forget examples end up wrong and unsure, which gives them away as surely as memorisation does; with ``redraw =
    "once"`` they end up wrong and sure. Without retain data and at published rates almost nothing happens.

    Cost: epochs x (forget images + retain images) x 3 image passes, without the retain images where retain is False.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        **RandomLabels.by_size,
        "rate": BySize(xs=0.1, s=0.2, m=0.01, l=0.01),
        "share": BySize(xs=0.1, s=0.3, m=0.1, l=0.05),
    }
    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.1, 0.3, 1.0, 3.0), "share": Scaled(0.5, 1.0, 2.0)}

    retain: bool = True

    @model_validator(mode="after")
    def _contrast_needs_retain(self) -> Self:
        if self.contrastive is not None and not self.retain:
            raise ValueError("no contrastive module with retain = false, for it works on retain batches")
        return self

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Relearn in place."""
        return self._relearn(model, task, retain=self.retain)
