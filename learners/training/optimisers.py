"""SGD and Adam by torch's own update functions, without ``torch.optim.Optimizer``: the first of those imports torch's
compiler, which costs a process several seconds and compiles nothing here (training in one stack needs it still).
The bits are those of ``torch.optim.SGD`` and ``torch.optim.Adam``."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class Optimiser(Protocol):
    """Takes steps down the gradients of its ``parameters``, at a ``rate`` that may change between two steps."""

    parameters: list[Tensor]
    rate: float

    def step(self) -> None:
        """One step of every parameter that has a gradient."""

    def state(self, place: int) -> list[Tensor]:
        """The running averages of one parameter, empty before its first step."""


@dataclass(eq=False)
class Sgd:
    """Stochastic gradient descent; weight_decay is L2, added to the gradient."""

    parameters: list[Tensor]
    rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    _velocity: dict[int, Tensor | None] = field(default_factory=dict)

    @torch.no_grad()
    def step(self) -> None:
        """One step of every parameter that has a gradient."""
        places = with_gradient(self.parameters)
        parameters, gradients = gather(self.parameters, places)
        velocity = [self._velocity.get(place) for place in places]
        sgd(
            parameters,
            gradients,
            velocity,
            lr=self.rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            dampening=0,
            maximize=False,
        )
        if self.momentum:
            self._velocity.update(zip(places, velocity, strict=True))

    def state(self, place: int) -> list[Tensor]:
        """The velocity of one parameter, empty before its first step."""
        velocity = self._velocity.get(place)
        return [] if velocity is None else [velocity]


@dataclass(eq=False)
class Adam:
    """Adam with the paper's decay rates; weight_decay is L2, added to the gradient. Source: Kingma and Ba 2015."""

    parameters: list[Tensor]
    rate: float
    weight_decay: float = 0.0
    _averages: dict[int, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)

    @torch.no_grad()
    def step(self) -> None:
        """One step of every parameter that has a gradient."""
        places = with_gradient(self.parameters)
        parameters, gradients = gather(self.parameters, places)
        for place in places:
            if place not in self._averages:
                zeros = [torch.zeros_like(self.parameters[place]) for _ in range(2)]
                self._averages[place] = (zeros[0], zeros[1], torch.tensor(0.0))
        first, second, steps = (list(part) for part in zip(*(self._averages[k] for k in places), strict=True))
        adam(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def state(self, place: int) -> list[Tensor]:
        """Both running averages of one parameter, empty before its first step."""
        return list(self._averages[place][:2]) if place in self._averages else []


def clear_gradients(parameters: Iterable[Tensor]) -> None:
    """Forget the gradients."""
    for parameter in parameters:
        parameter.grad = None


def with_gradient(parameters: list[Tensor]) -> list[int]:
    """Places of the parameters that have a gradient."""
    return [place for place, parameter in enumerate(parameters) if parameter.grad is not None]


def gather(parameters: list[Tensor], places: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters at ``places``, and their gradients."""
    chosen = [parameters[place] for place in places]
    return chosen, [parameter.grad for parameter in chosen if parameter.grad is not None]
