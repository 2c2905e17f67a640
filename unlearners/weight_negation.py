"""NoT: turn the sign of the first layer's weights, then repair the network on the retain set."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn

from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.retain_phase import ContrastHost


def first_layers(model: Classifier) -> tuple[str, ...]:
    """Names of the parameters that NoT negates by default: the weight of the first convolution, or of the first linear
    layer where there is no convolution; before it the positional embedding, where the network has one."""
    positions = tuple(name for name, _ in model.named_parameters() if name.endswith("pos_embedding"))
    for kind in (nn.Conv2d, nn.Linear):
        for path, module in model.named_modules():
            if isinstance(module, kind):
                return (*positions, f"{path}.weight")
    return positions


@register(
    "weight_negation",
    description="Negate the weights of the first layer, then fine-tune on the retain set.",
    citation="Khalil et al. 2025, arXiv 2503.05657 (NoT)",
    settings=("sample", "class", "subject"),
    reads=("retain",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class WeightNegation(ContrastHost):
    """``theta_l <- -theta_l`` for the named tensors, then ``min CE(f, D_r)`` over all parameters.

    layers: names of parameters; None for the first convolution's weight (not its normalisation), or the first linear
    layer's. In a vision transformer the positional embedding and the patch embedding are negated: CoUn's appendix
    describes these as entries 0 and 4 of its parameter list, and in torchvision's list, where other tensors stand at
    these numbers, they are looked up by what they are. The record says what was negated.

    bn: ``train`` alone. The running mean of a negated convolution has the old sign, so the network is broken until its
    statistics are renewed; in train mode normalisation turns -u into its mirror image around the shift, which is what
    the repair starts from. Without a budget the result is therefore the negated network, not the original.

    Defaults: xs and s are this project's sweep on digits, the others a proposal from the CoUn comparison (0.03 at a
    peak of 0.1, cosine to 1e-4, up to 50 of 182 epochs); no official code was found. A budget is long enough when
    retain accuracy is back. A perceptron has no normalisation to catch the first steps, whose loss is large: in the
    sweep a peak rate of 0.1 destroyed it, half of that did not.

    Cost: epochs x retain images x 3 image passes.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=0.5, s=1.0, m=0.3, l=0.3),
        "share": BySize(xs=0.5, s=0.5, m=0.3, l=0.3),
    }

    # Not strict as a whole, so that the list of an audit file can stand for it; its items still have to be text.
    layers: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    bn: Literal["train"] = "train"

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Negate and repair in place."""
        self._negate(model, task)
        return self._train_on_retain(model, task, lambda network, seen: retain_loss(seen.logits, seen.y, task.recipe))

    def _negate(self, model: Classifier, task: Task) -> None:
        parameters = dict(model.named_parameters())
        chosen = first_layers(model) if self.layers is None else tuple(dict.fromkeys(self.layers))
        for name in chosen:
            if name not in parameters:
                raise ConfigError(
                    f"{self.entry.name}.layers: expected names among {', '.join(parameters)}, got {name!r}; correct it"
                )
        with torch.no_grad():
            for name in chosen:
                parameters[name].neg_()
        task.meter.note(f"negated {', '.join(chosen)}")
