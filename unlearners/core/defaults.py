"""Defaults that scale with the task: one rule of sizes for all methods.

The classes of size, and every table of values given per size in the methods' files, are proposals assembled from the
papers, their released codes and one small trial on two cheap settings; they are starting points for a sweep. Rates are
multiples of the recipe's peak learning rate and budgets are shares of its epochs, because on few images an epoch is few
steps and a budget copied from a paper does nothing.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vestige.learners.training.recipe import Recipe

Size = Literal["xs", "s", "m", "l"]
T = TypeVar("T")

FEW_IMAGES = 10_000
"""Below this many training images the long budget is always used: the number of steps is what forgets."""


def size_of(model: nn.Module, training_images: int) -> Size:
    """The class of size whose defaults a task gets.

    l: 9 million parameters or more (ResNet-18 and up). m: 1 million or more (ResNet-9, WRN-28-2). xs: fewer parameters,
    fewer than 2,000 training images and no batch normalisation (a perceptron on digits). s: everything else (a small
    convolutional network).
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters >= 9_000_000:
        return "l"
    if parameters >= 1_000_000:
        return "m"
    normalised = any(isinstance(module, _BatchNorm) for module in model.modules())
    return "xs" if training_images < 2_000 and not normalised else "s"


@dataclass(frozen=True, kw_only=True)
class BySize(Generic[T]):
    """A default per class of size; few_images, when given, replaces it on fewer than 10,000 training images."""

    xs: T
    s: T
    m: T
    l: T  # noqa: E741
    few_images: T | None = None

    def at(self, size: Size, training_images: int) -> T:
        """The value for a task."""
        if self.few_images is not None and training_images < FEW_IMAGES:
            return self.few_images
        value: T = getattr(self, size)
        return value


@dataclass(frozen=True, init=False)
class Scaled:
    """What a search tries for a number: these multiples of its default."""

    factors: tuple[float, ...]

    def __init__(self, *factors: float) -> None:
        object.__setattr__(self, "factors", factors)

    def around(self, default: Any) -> tuple[Any, ...]:
        """The multiples of this default, whole and at least 1 where it is whole; none where there is no number."""
        if not isinstance(default, int | float) or isinstance(default, bool):
            return ()
        multiples = (float(f"{factor * default:.6g}") for factor in self.factors)
        if isinstance(default, float):
            return tuple(dict.fromkeys(multiples))
        return tuple(dict.fromkeys(max(1, round(multiple)) for multiple in multiples))


@dataclass(frozen=True, init=False)
class Among:
    """What a search tries for anything else: these values."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)

    def around(self, default: Any) -> tuple[Any, ...]:
        """The values, whatever the default."""
        return self.values


Grid = Scaled | Among


def epochs_of(share: float, recipe: Recipe) -> int:
    """A budget in epochs: the share of the recipe's epochs, rounded, at least 1 unless the share is 0."""
    return max(1, round(share * recipe.epochs)) if share > 0 else 0


def filled(value: T | None) -> T:
    """A hyper-parameter that the defaults have filled in."""
    if value is None:
        raise RuntimeError("call the unlearner itself, not its unlearn method: the call fills in the defaults")
    return value
