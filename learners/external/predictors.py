"""Anything that turns a batch of inputs into logits, behind one face."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.estimators import EstimatorPredictor, is_estimator
from vestige.learners.external.preprocessing import OwnPreprocessing, Preprocessing
from vestige.learners.training.device import one_thread

Prepare = Preprocessing | OwnPreprocessing | None


@runtime_checkable
class Predictor(Protocol):
    """A model as the audit sees it: a batch of inputs ``[m, ...]`` to logits ``[m, classes]``, floating point."""

    def __call__(self, inputs: Array, /) -> Array: ...


def as_predictor(
    model: object,
    *,
    preprocessing: Prepare = None,
    device: torch.device | None = None,
    classes: int | None = None,
) -> Predictor:
    """A predictor for a torch network, a fitted scikit-learn estimator, or any Python callable.

    preprocessing: applied to each batch; None hands the inputs on as they are. device: for torch alone: where the
    network is moved to; None leaves it where it is. classes: for scikit-learn alone: how many there are, where the
    estimator has seen fewer.

    A network runs in eval mode without gradients; its modules are then put back into the modes that they were in.
    For an estimator see ``EstimatorPredictor``. A callable's result may be an array, or a tensor on any device.
    Raises ConfigError for an object that is none of these, DataError for an estimator whose classes are no labels.
    """
    if isinstance(model, type):
        raise ConfigError(f"model: expected a model, got the class {model.__name__}; make one of it first")
    if isinstance(model, nn.Module):
        return TorchPredictor(model if device is None else model.to(device), preprocessing)
    if is_estimator(model):
        return EstimatorPredictor.of(model, preprocessing, classes)
    if callable(model):
        return CallPredictor(model, preprocessing)
    raise ConfigError(
        "model: expected a torch.nn.Module, a fitted scikit-learn classifier or a function from inputs to logits, "
        f"got {type(model).__name__}"
    )


@dataclass(frozen=True)
class TorchPredictor:
    """A network in eval mode, on the device of its own weights."""

    model: nn.Module
    preprocessing: Prepare = None

    def __call__(self, inputs: Array, /) -> Array:
        x = as_tensor(prepared(inputs, self.preprocessing)).to(device_of(self.model))
        with evaluating(self.model), torch.inference_mode(), one_thread():
            return as_array(logits_of(self.model(x)))


@dataclass(frozen=True)
class CallPredictor:
    """A function of the user's own."""

    call: Callable[[Any], Any]
    preprocessing: Prepare = None

    def __call__(self, inputs: Array, /) -> Array:
        return as_array(logits_of(self.call(prepared(inputs, self.preprocessing))))


def prepared(inputs: Array, preprocessing: Prepare) -> Any:
    """The batch as the model wants it. Raises DataError where the preprocessing lost or added rows."""
    if preprocessing is None:
        return inputs
    made = preprocessing(inputs)
    if not hasattr(made, "shape") or len(made.shape) < 1 or made.shape[0] != len(inputs):
        got = f"the shape {list(made.shape)}" if hasattr(made, "shape") else type(made).__name__
        raise DataError(
            f"preprocessing: expected an array or tensor of {len(inputs)} rows for as many inputs, got {got}; "
            "it is given whole batches"
        )
    return made


def as_tensor(x: Any) -> Tensor:
    """The batch as a tensor; arrays are copied only where torch needs it."""
    if isinstance(x, Tensor):
        return x
    array = np.ascontiguousarray(x)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def as_array(values: Any) -> Array:
    """NumPy's view of the result; bfloat16, which NumPy does not know, becomes float32."""
    if isinstance(values, Tensor):
        values = values.detach()
        array: Array = (values.float() if values.dtype == torch.bfloat16 else values).cpu().numpy()
        return array
    return np.asarray(values)


def logits_of(output: Any) -> Any:
    """The logits of a model that returns them alone, or in an entry or attribute ``logits`` beside other things."""
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    if isinstance(output, (tuple, list)) and len(output) == 1 and isinstance(output[0], Tensor):
        return output[0]
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, (tuple, list, Mapping)):
        raise DataError(
            f"expected logits, got a {type(output).__name__} of {len(output)}; "
            "wrap the model in a function that returns the logits alone"
        )
    return output


def device_of(model: nn.Module) -> torch.device:
    """Where the first weight is."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; every module is put back into the mode that it was in, which need not be one for all."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
