"""Views: fixed transforms of an image under which a model is asked about it, the same for every model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestige.learners.data.examples import Examples, Indices
from vestige.learners.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

_FORM = re.compile(r"identity|mirror|(mirror\+)?shift:(-?\d+),(-?\d+)")


@dataclass(frozen=True)
class Augmentation:
    """mirror: left to right, first. right, down: then shift by so many pixels, edges filled by reflection."""

    mirror: bool = False
    right: int = 0
    down: int = 0

    @classmethod
    def parse(cls, name: str) -> "Augmentation":
        """From ``identity``, ``mirror``, ``shift:RIGHT,DOWN`` or ``mirror+shift:RIGHT,DOWN``; raises ConfigError."""
        found = _FORM.fullmatch(name)
        if found is None:
            raise ConfigError(
                f"views: expected identity, mirror, shift:RIGHT,DOWN or mirror+shift:RIGHT,DOWN, got {name!r}"
            )
        if found.group(2) is None:
            return cls(mirror=name == "mirror")
        return cls(mirror=found.group(1) is not None, right=int(found.group(2)), down=int(found.group(3)))

    @property
    def name(self) -> str:
        """The name that ``parse`` takes."""
        if not (self.right or self.down):
            return "mirror" if self.mirror else "identity"
        return f"{'mirror+' if self.mirror else ''}shift:{self.right},{self.down}"

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 ``[n, height, width, channels]``, same shape; raises ConfigError where a shift leaves nothing."""
        height, width = images.shape[1:3]
        if abs(self.right) >= width or abs(self.down) >= height:
            raise ConfigError(
                f"views: expected shifts below {height} down and {width} right for images of {height} x {width}, "
                f"got {self.name}; choose smaller ones"
            )
        moved = images[:, :, ::-1] if self.mirror else images
        margin = ((0, 0), (abs(self.down),) * 2, (abs(self.right),) * 2, (0, 0))
        padded = np.pad(moved, margin, mode="reflect")
        top, left = abs(self.down) - self.down, abs(self.right) - self.right
        return np.ascontiguousarray(padded[:, top : top + height, left : left + width])


def parse_augmentations(names: Sequence[str]) -> tuple[Augmentation, ...]:
    """Views by name; raises ConfigError for none, an unknown one or the same one twice."""
    views = tuple(Augmentation.parse(name) for name in names)
    if not views or len(set(views)) < len(views):
        raise ConfigError(f"views: expected at least one, each once, got {', '.join(names) or 'none'}")
    return views


def predict_augmentations(
    model: "nn.Module", examples: Examples, indices: Indices, views: Sequence[Augmentation], device: "torch.device"
) -> NDArray[np.float32]:
    """Logits ``[views, m, classes]`` of the examples at ``indices`` under each view, in eval mode."""
    from vestige.learners.training.inference import predict_logits  # torch

    images, labels = examples.read(indices)
    here = np.arange(len(indices))
    asked = replace(
        examples, images=images, labels=labels, test_part=examples.test_part[indices], subjects=None, groups=None
    )
    return np.stack([predict_logits(model, replace(asked, images=view.apply(images)), here, device) for view in views])
