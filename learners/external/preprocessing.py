"""From images as a data set has them to what a network was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vestige.learners.arrays import Array
from vestige.learners.errors import DataError

Channels = Literal["rgb", "bgr", "grey"]
Layout = Literal["channels_first", "channels_last"]
Size = int | tuple[int, int]
OwnPreprocessing = Callable[[Array], Any]

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision weigh red, green and blue
_TYPES = {"float32": torch.float32, "float16": torch.float16, "float64": torch.float64, "uint8": torch.uint8}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Images uint8 ``[m, height, width, channels]`` to the input of a network.

    In this order: resize, channels, scale to 0..1, ``(x - mean) / std``, layout, dtype. The default scales to 0..1 with
    channels first, and nothing else.

    resize: None; the shorter side, the other in proportion (as torchvision's ``Resize(side)``); or (height, width).
    Bilinear with antialiasing, half-pixel centres, rounded to whole levels, as torchvision resizes uint8 images.
    channels: None leaves them; ``rgb`` repeats a single channel three times; ``bgr`` does that and reverses the order;
    ``grey`` makes one of three. mean, std: one a channel (or one for all), in units of the scaled images. layout: None
    is channels first, unless a model file says otherwise. dtype: ``uint8`` only without scale, mean and std.
    """

    scale: bool = True
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: Size | None = None
    channels: Channels | None = None
    layout: Layout | None = None
    dtype: Literal["float32", "float16", "float64", "uint8"] = "float32"

    def __post_init__(self) -> None:
        numbers = (*(self.mean or ()), *(self.std or ()))
        if not np.isfinite(numbers).all() or min(self.std or (1.0,)) <= 0 or () in (self.mean, self.std):
            raise ValueError(f"expected finite means and positive deviations, got {self.mean} and {self.std}")
        if self.dtype == "uint8" and (self.scale or numbers):
            raise ValueError("expected a floating-point dtype with scale, mean or std, got uint8")
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize or (1,)
        if min(sides) < 1:
            raise ValueError(f"expected sides of 1 pixel or more, got {self.resize}")

    def __call__(self, images: Array) -> Tensor:
        """The input ``[m, channels, height, width]``, or with the channels last."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise DataError(
                "expected images as uint8 [m, height, width, 1 or 3], "
                f"got {images.dtype} {list(images.shape)}; use a preprocessing function of your own"
            )
        x = torch.from_numpy(np.ascontiguousarray(images)).movedim(3, 1)
        if self.resize is not None:
            x = resize(x, self.resize)
        if self.channels is not None:
            x = _to_channels(x, self.channels)
        if self.dtype != "uint8":
            x = self._normalised(x.float())
        if self.layout == "channels_last":
            x = x.movedim(1, 3)
        return x.to(_TYPES[self.dtype]).contiguous()

    def _normalised(self, x: Tensor) -> Tensor:
        if self.scale:
            x = x / 255
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is None:
                continue
            if len(values) not in (1, x.shape[1]):
                raise DataError(
                    f"expected one {name} for each of {x.shape[1]} channels, got {len(values)}; "
                    "give as many, or set channels"
                )
            numbers = torch.tensor(values).reshape(1, -1, 1, 1)
            x = x - numbers if name == "mean" else x / numbers
        return x

    def describe(self) -> str:
        """One sentence for a report."""
        steps = []
        if isinstance(self.resize, int):
            steps.append(f"resized to {self.resize} pixels on the shorter side (bilinear, antialiased)")
        elif self.resize is not None:
            steps.append(f"resized to {self.resize[0]} x {self.resize[1]} pixels (bilinear, antialiased)")
        if self.channels is not None:
            steps.append({"rgb": "in RGB", "bgr": "in BGR", "grey": "in grey"}[self.channels])
        steps.append("scaled to 0..1" if self.scale else "left in 0..255")
        if self.mean is not None:
            steps.append(f"mean {_list(self.mean)} subtracted")
        if self.std is not None:
            steps.append(f"divided by {_list(self.std)}")
        steps.append("channels last" if self.layout == "channels_last" else "channels first")
        only = ", nothing else" if self == Preprocessing() else ""
        return f"Images {', '.join(steps)}{only}."


def resize(x: Tensor, size: Size) -> Tensor:
    """uint8 ``[m, c, height, width]`` resized, bilinear with antialiasing, rounded to whole levels."""
    height, width = x.shape[2:]
    if isinstance(size, int):  # the shorter side; the other is cut to whole pixels, as torchvision does
        longer = int(size * max(height, width) / min(height, width))
        size = (size, longer) if height <= width else (longer, size)
    if size == (height, width):
        return x
    resized = functional.interpolate(x.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _to_channels(x: Tensor, channels: Channels) -> Tensor:
    if channels == "grey":
        if x.shape[1] == 1:
            return x
        weights = torch.tensor(_GREY).reshape(1, 3, 1, 1)
        return (x.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)
    colour = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
    return colour.flip(1) if channels == "bgr" else colour


def _list(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
