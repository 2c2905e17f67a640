"""The contract that every method keeps, in one place."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as hyperparameters
from torch import nn

from vestige.learners.data.split import Setting
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import seeded_torch
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import to_input
from vestige.learners.training.device import one_thread
from vestige.learners.training.flops import forward_flops
from vestige.unlearners.core.defaults import BySize, Grid, size_of
from vestige.unlearners.core.task import Task

Reads = Literal["forget", "retain", "validation"]

Needs = Literal["ledger"]
"""What a method needs from the original's training, beyond the weights."""

STRICT = ConfigDict(extra="forbid", strict=True)
"""Of every method: unknown hyper-parameters are refused, and so is text where a number belongs."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the registry knows about a method.

    settings: kinds of forget set it is for. reads: roles whose images it looks at. needs: what had to be kept while
    the original was trained. control: not a method but a candidate whose verdict is known beforehand.
    """

    name: str
    description: str
    citation: str
    settings: tuple[Setting, ...]
    reads: tuple[Reads, ...]
    control: bool
    method: "type[Unlearner]"
    needs: tuple[Needs, ...] = ()


@hyperparameters(frozen=True, kw_only=True, config=STRICT)
class Unlearner(ABC):
    """Hyper-parameters of one method; calling it makes the candidate.

    A hyper-parameter left at None is chosen by the size of the task, from the class's ``by_size`` table; where whole
    classes are to be forgotten, ``by_size_of_class`` goes before it. ``search``: what a search of hyper-parameters
    tries. ``step_parameter``: the hyper-parameter to lower when a run diverges; ``hint``: what to do instead, where
    lowering is not it. ``moves``: whether the weights of the model given are moved, so that one at least must be
    trainable.
    """

    entry: ClassVar[Entry]
    by_size: ClassVar[Mapping[str, BySize[Any]]] = {}
    by_size_of_class: ClassVar[Mapping[str, BySize[Any]]] = {}
    search: ClassVar[Mapping[str, Grid]] = {}
    step_parameter: ClassVar[str] = "rate"
    hint: ClassVar[str | None] = None
    moves: ClassVar[bool] = True

    @abstractmethod
    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """The method itself, on a model that it may change; every hyper-parameter is filled in."""

    @final
    def __call__(self, model: Classifier, task: Task) -> Classifier:
        """The candidate, in eval mode on the task's device; ``model`` stays as it is to the last bit.

        ``task.meter`` holds the cost afterwards. The same seed gives the same bits on a CPU. Raises ConfigError for a
        setting that the method is not for, DataError for a task or model that does not fit and for a result that is
        not finite.
        """
        self._check(model, task)
        method = self.resolve(model, task)
        candidate = copy.deepcopy(model).to(task.device)
        candidate.zero_grad(set_to_none=True)
        flops = forward_flops(candidate, task.examples.shape)
        with task.meter.measure(flops, task.device), one_thread(), seeded_torch(task.seed, "unlearn"):
            result = method.unlearn(candidate, task)
        return _returned(method, model, result, task)

    @final
    def resolve(self, model: Classifier, task: Task) -> Self:
        """The same method with every hyper-parameter that was left to the size of the task filled in."""
        size, images = size_of(model, task.training_images), task.training_images
        tables = {**self.by_size, **(self.by_size_of_class if task.setting == "class" else {})}
        open_ = {name: table.at(size, images) for name, table in tables.items() if getattr(self, name) is None}
        return replace(self, **open_)

    @final
    def settings(self) -> dict[str, Any]:
        """The hyper-parameters by name, as plain values for a record."""
        return asdict(self)

    def _check(self, model: Classifier, task: Task) -> None:
        name, entry = self.entry.name, self.entry
        if task.setting not in entry.settings:
            raise ConfigError(
                f"{name}: expected a forget set of setting {' or '.join(entry.settings)}, got {task.setting}; "
                "choose another method for it"
            )
        for role in entry.reads:
            if role != "validation" and len(getattr(task, role)) == 0:
                raise DataError(f"{name}: expected at least one {role} example, got none")
        if model.classes != task.examples.classes:
            raise DataError(
                f"{name}: expected a model with {task.examples.classes} outputs for {task.examples.name}, "
                f"got {model.classes}"
            )
        if self.moves and not any(parameter.requires_grad for parameter in model.parameters()):
            raise DataError(
                f"{name}: expected a model with at least one trainable parameter, got none; "
                "set requires_grad on those that may move"
            )


def check_finite_weights(
    name: str, what: str, tensor: torch.Tensor, step_parameter: str = "rate", *, hint: str | None = None
) -> None:
    """Raise DataError when a value of ``tensor`` is NaN or infinite; ``step_parameter``: the hyper-parameter to lower,
    ``hint``: what to do instead."""
    if not torch.isfinite(tensor).all():
        todo = hint or f"lower {name}.{step_parameter}"
        raise DataError(f"{name} diverged: expected {what} to be finite, got NaN or infinity; {todo}")


def _returned(method: Unlearner, model: Classifier, result: Classifier, task: Task) -> Classifier:
    """``result`` as a caller may rely on it: a mistake of the method is an error here, not a strange verdict later."""
    name = method.entry.name
    before, after = model.state_dict(), result.state_dict()
    if {k: (v.shape, v.dtype) for k, v in before.items()} != {k: (v.shape, v.dtype) for k, v in after.items()}:
        raise DataError(f"{name}: expected a candidate with the original's keys, shapes and types, got others")
    for key, tensor in after.items():
        if tensor.is_floating_point():
            check_finite_weights(name, f"{key} of the candidate", tensor, method.step_parameter, hint=method.hint)
    if _attachments(result) != _attachments(model):
        raise RuntimeError(f"{name} left hooks or changed track_running_stats; remove them before returning")
    flags = {key: parameter.requires_grad for key, parameter in model.named_parameters()}
    for key, parameter in result.named_parameters():
        parameter.grad = None
        parameter.requires_grad_(flags[key])
    logits = _probe(result.eval(), task)
    check_finite_weights(name, "the candidate's logits", logits, method.step_parameter, hint=method.hint)
    return result


def _probe(model: Classifier, task: Task) -> torch.Tensor:
    """Logits of a black and a white image: weights can be finite and so large that no output is."""
    height, width, channels = task.examples.shape
    extremes = torch.tensor([0, 255], dtype=torch.uint8, device=task.device)[:, None, None, None]
    with torch.inference_mode(), one_thread():
        logits: torch.Tensor = model(to_input(extremes.expand(2, height, width, channels)))
    return logits


def _attachments(model: nn.Module) -> list[tuple[str, int, object]]:
    return [
        (
            path,
            sum(len(value) for key, value in vars(module).items() if key.endswith("_hooks") and value is not None),
            getattr(module, "track_running_stats", None),
        )
        for path, module in model.named_modules()
    ]
