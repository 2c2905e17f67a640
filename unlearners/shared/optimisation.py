"""Taking optimiser steps: rates, schedules, clipping, masks, and the refusal of what is not finite."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vestige.learners.training.train import schedule_factor
from vestige.unlearners.core.unlearner import check_finite_weights

Schedule = Literal["cosine", "constant"]
Optimiser = Literal["sgd", "adam"]


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """SGD without Nesterov, or Adam; without state from training.

    learning_rate: peak. momentum: of SGD. weight_decay: L2, added to the gradient. schedule: ``constant``, or
    ``cosine`` down to 1e-4 or a thousandth of the peak, whichever is smaller. clip: largest gradient norm, None for no
    limit. total: steps of the whole run. step_parameter: the hyper-parameter to lower when a run diverges.
    """

    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    clip: float | None = None
    total: int = 1
    optimiser: Optimiser = "sgd"
    step_parameter: str = "rate"

    def rate_at(self, step: int) -> float:
        """Learning rate of ``step`` (from 0)."""
        if self.schedule == "constant":
            return self.learning_rate
        floor = min(1e-4, 1e-3 * self.learning_rate)
        return floor + (self.learning_rate - floor) * schedule_factor("cosine", 0.0, step, self.total)

    def build(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser at its peak rate."""
        if self.optimiser == "adam":
            return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(
            parameters, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )


def constant_adam(learning_rate: float, step_parameter: str) -> Optimisation:
    """Adam at one absolute rate, without weight decay."""
    return Optimisation(learning_rate=learning_rate, optimiser="adam", step_parameter=step_parameter)


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that a method may move, in the network's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Steps:
    """Takes steps on behalf of method ``name``; refuses a loss that is not finite, so a diverging run raises instead of
    returning NaN.

    mask: bool, one tensor for each trainable parameter. Where it is False the value stays what it was at the start, to
    the last bit: a gradient of zero alone would leave weight decay and momentum at work.
    """

    def __init__(
        self, name: str, model: nn.Module, optimisation: Optimisation, mask: Sequence[Tensor] | None = None
    ) -> None:
        self.name = name
        self._optimisation = optimisation
        self._parameters = trainable(model)
        self._optimiser = optimisation.build(self._parameters)
        self._mask = mask
        self._start = [] if mask is None else [parameter.detach().clone() for parameter in self._parameters]
        self._taken = 0

    def take(self, loss: Tensor) -> None:
        """One step down ``loss``."""
        self.require_finite(loss)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._mask_gradients()
        if self._optimisation.clip is not None:
            norm = nn.utils.clip_grad_norm_(self._parameters, self._optimisation.clip)
            check_finite_weights(self.name, "the gradient", norm, self._optimisation.step_parameter)
        for group in self._optimiser.param_groups:
            group["lr"] = self._optimisation.rate_at(self._taken)
        self._optimiser.step()
        self._restore()
        self._taken += 1

    def require_finite(self, loss: Tensor) -> None:
        """Raise DataError when ``loss`` is NaN or infinite."""
        check_finite_weights(self.name, "the loss", loss.detach(), self._optimisation.step_parameter)

    def _mask_gradients(self) -> None:
        for parameter, mask in zip(self._parameters, self._mask or (), strict=False):
            if parameter.grad is not None:
                parameter.grad.mul_(mask)

    def _restore(self) -> None:
        if self._mask is None:
            return
        for parameter, mask, start in zip(self._parameters, self._mask, self._start, strict=True):
            parameter.data.copy_(torch.where(mask, parameter.data, start))
            for value in self._optimiser.state[parameter].values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    value.mul_(mask)
