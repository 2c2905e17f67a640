"""Classifiers that expose the representation before their last linear layer."""

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from vestige.learners.errors import ConfigError
from vestige.learners.seeds import seeded_torch
from vestige.learners.torchvision import load_torchvision
from vestige.learners.training.recipe import Recipe

Shape = tuple[int, int, int]


class Classifier(nn.Module):
    """``forward(x) = head(represent(x))``: images ``[b, channels, height, width]`` to logits ``[b, classes]``.

    body: maps images to a representation ``[b, d]``; head: the last linear layer, ``d -> classes``.
    """

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.head.out_features

    def represent(self, x: Tensor) -> Tensor:
        """Representation ``[b, d]`` before the last linear layer."""
        representation: Tensor = self.body(x)
        return representation

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[b, classes]``."""
        logits: Tensor = self.head(self.represent(x))
        return logits


def build_classifier(recipe: Recipe, shape: Shape, classes: int, seed: int) -> Classifier:
    """A freshly initialised network for images of ``shape`` (height, width, channels); its weights come from ``seed``
    alone. Raises ConfigError for an architecture that does not exist or does not fit."""
    name = recipe.architecture
    with seeded_torch(seed, "initialisation"):
        if name.startswith("torchvision:"):
            return _from_zoo(name.removeprefix("torchvision:"), recipe, shape, classes)
        if name not in ARCHITECTURES:
            raise ConfigError(
                f"recipe.architecture: expected one of {', '.join(ARCHITECTURES)} or torchvision:NAME, got {name!r}"
            )
        body, width = ARCHITECTURES[name](shape, recipe.width)
        return Classifier(body, nn.Linear(width, classes))


def _mlp(shape: Shape, width: int | None) -> tuple[nn.Module, int]:
    inputs, hidden = shape[0] * shape[1] * shape[2], width or 128
    layers = [nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*layers), hidden


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)]


def _cnn(shape: Shape, width: int | None) -> tuple[nn.Module, int]:
    first = width or 16
    _at_least(shape, 4, "cnn")
    channels = [shape[2], first, 2 * first, 4 * first]
    layers: list[nn.Module] = []
    for inputs, outputs in zip(channels, channels[1:], strict=False):
        layers += [*_convolution(inputs, outputs), nn.ReLU(), nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveAvgPool2d(1)  # the last block averages over what is left of the image
    return nn.Sequential(*layers, nn.Flatten()), channels[-1]


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016, section 3; projection where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first, second = _convolution(inputs, outputs, stride), _convolution(outputs, outputs)
        self.residual = nn.Sequential(*first, nn.ReLU(), *second)
        same = stride == 1 and inputs == outputs
        projection = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Identity() if same else nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


def _resnet(blocks: tuple[int, ...], default: int) -> Callable[[Shape, int | None], tuple[nn.Module, int]]:
    def build(shape: Shape, width: int | None) -> tuple[nn.Module, int]:
        first = width or default
        _at_least(shape, 8, "resnet")
        layers: list[nn.Module] = [*_convolution(shape[2], first), nn.ReLU()]  # 3x3 stem, stride 1, no max-pooling
        inputs = first
        for stage, count in enumerate(blocks):
            outputs = first * 2**stage
            for position in range(count):
                layers.append(_Block(inputs, outputs, 2 if stage > 0 and position == 0 else 1))
                inputs = outputs
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs

    return build


ARCHITECTURES: Mapping[str, Callable[[Shape, int | None], tuple[nn.Module, int]]] = MappingProxyType(
    {"mlp": _mlp, "cnn": _cnn, "resnet8": _resnet((1, 1, 1), 16), "resnet18": _resnet((2, 2, 2, 2), 64)}
)


def _at_least(shape: Shape, pixels: int, name: str) -> None:
    if min(shape[:2]) < pixels:
        size = f"{shape[0]}x{shape[1]}"
        raise ConfigError(f"recipe.architecture: {name} needs images of {pixels}x{pixels} or more, got {size}; use mlp")


def _from_zoo(name: str, recipe: Recipe, shape: Shape, classes: int) -> Classifier:
    if recipe.width is not None:
        raise ConfigError(f"recipe.width: torchvision:{name} has a fixed width; leave the key out")
    models = load_torchvision().models
    try:
        with warnings.catch_warnings():  # GoogLeNet and Inception warn about a slower start; not the caller's doing
            warnings.simplefilter("ignore", FutureWarning)
            network: nn.Module = models.get_model(name, weights=None)
    except ValueError as error:
        raise ConfigError(f"recipe.architecture: torchvision has no model {name!r}") from error
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError(f"recipe.architecture: torchvision:{name} does not end in a linear layer; choose another")
    parent, _, child = linear[-1].rpartition(".")
    last = network.get_submodule(linear[-1])
    setattr(network.get_submodule(parent), child, nn.Identity())
    assert isinstance(last, nn.Linear)
    body = nn.Sequential(_Grey(), network) if shape[2] == 1 else network
    classifier = Classifier(body, nn.Linear(last.in_features, classes))
    _check_zoo(classifier, name, shape)
    return classifier


class _Grey(nn.Module):
    """Repeats a single channel three times: the zoo's networks expect colour."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)


def _check_zoo(classifier: Classifier, name: str, shape: Shape) -> None:
    """Fail now, with a sentence, rather than after the data were loaded."""
    expected = f"recipe.architecture: torchvision:{name} does not take images of {shape[0]}x{shape[1]}x{shape[2]}"
    was_training = classifier.training
    try:
        with torch.no_grad():
            output = classifier.eval()(torch.zeros(2, shape[2], shape[0], shape[1]))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise ConfigError(f"{expected}: {error}") from error
    finally:
        classifier.train(was_training)
    if not isinstance(output, Tensor) or output.shape != (2, classifier.classes):
        raise ConfigError(f"{expected}: its output is not one row of logits per image")
    for module in classifier.modules():
        if getattr(module, "aux_logits", False):
            raise ConfigError(f"recipe.architecture: torchvision:{name} has auxiliary outputs; choose another network")
