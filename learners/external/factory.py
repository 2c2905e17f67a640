"""The network that weights belong to: made by the user's own code, or by torchvision."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.fit import last_layer, shapes_of, without_prefix
from vestige.learners.files.untrusted import reason, shown
from vestige.learners.files.user_code import also_from, call_function, find_function
from vestige.learners.seeds import seeded_torch
from vestige.learners.torchvision import load_torchvision

Factory = str | Callable[[], nn.Module]

SETTING = "model"


def make_network(factory: Factory, state: Mapping[str, Tensor], classes: int | None, base: Path) -> nn.Module:
    """A network for the weights ``state``.

    factory: ``package.module:function`` (or a class; called without arguments; looked for where Python does and then
    in ``base``), ``torchvision:NAME``, or a callable. classes: for torchvision, where the weights do not show it.
    Raises ConfigError for a factory that does not exist, DataError for one that fails or makes something else.
    """
    if not isinstance(factory, str):
        return _called(factory, name_of(factory))
    kind, _, rest = factory.partition(":")
    if kind == "torchvision":
        return _from_torchvision(rest, state, classes)
    with also_from(base):
        form = "package.module:function or torchvision:NAME"
        return _called(find_function(factory, SETTING, base=base, form=form), factory)


def name_of(factory: Factory) -> str:
    """How a sentence calls it."""
    if isinstance(factory, str):
        return shown(factory)
    return shown(getattr(factory, "__qualname__", None) or type(factory).__name__)


def _called(factory: Callable[[], Any], name: str) -> nn.Module:
    with seeded_torch(0, "factory"):  # its random weights are replaced; the caller's streams stay as they are
        made = call_function(factory, name, "a network")
    if not isinstance(made, nn.Module):
        raise DataError(f"{name}: expected it to return a torch.nn.Module, got {type(made).__name__}")
    unknown = (UninitializedParameter, UninitializedBuffer)
    if any(isinstance(tensor, unknown) for tensor in (*made.parameters(), *made.buffers())):
        raise DataError(
            f"{name}: expected layers that know their sizes, got lazy ones (such as nn.LazyLinear); give their sizes, "
            "or call the network once before it is returned"
        )
    return made


def _from_torchvision(name: str, state: Mapping[str, Tensor], classes: int | None) -> nn.Module:
    models = load_torchvision().models
    if name not in models.list_models():
        raise ConfigError(f"{SETTING}: expected torchvision:NAME with a model of torchvision, got {shown(name)!r}")

    def build(**settings: int) -> nn.Module:
        with warnings.catch_warnings():  # GoogLeNet and Inception warn about a slower start; their weights are replaced
            warnings.simplefilter("ignore", FutureWarning)
            network: nn.Module = models.get_model(name, weights=None, **settings)
            return network

    shapes = _default_shapes(build)
    call = without_prefix(state, shapes)
    stored = {call(key): tuple(tensor.shape) for key, tensor in state.items()}
    last = last_layer(shapes)
    if last is not None and len(stored.get(last, ())) == len(shapes[last]):
        classes = stored[last][0]
    if classes is not None and not 1 <= classes <= 2**20:
        raise DataError(f"expected 1 to {2**20} classes, got {classes} in the last layer; check the file")
    try:
        with seeded_torch(0, "factory"):
            return build() if classes is None else build(num_classes=classes)
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise ConfigError(
            f"{SETTING}: torchvision:{name} could not be made for {classes} classes: {reason(error)}"
        ) from error


def _default_shapes(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Shapes of the network as torchvision makes it, to see which layer is the last."""
    try:
        with torch.device("meta"):  # without memory for them
            return shapes_of(build().state_dict())
    except NotImplementedError:  # some compute with their first weights (RegNet)
        with seeded_torch(0, "factory"):
            return shapes_of(build().state_dict())
