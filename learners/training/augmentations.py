"""Augmentations at inference: fixed transforms of an image, the same for every model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from vestige.learners.arrays import Array, Images, Indices
from vestige.learners.data.examples import Examples
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

    def apply(self, images: Images) -> Images:
        """The images, transformed; raises ConfigError where a shift leaves nothing."""
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
    """Augmentations by name; raises ConfigError for none, an unknown one or the same one twice."""
    augmentations = tuple(Augmentation.parse(name) for name in names)
    if not augmentations or len(set(augmentations)) < len(augmentations):
        raise ConfigError(f"views: expected at least one, each once, got {', '.join(names) or 'none'}")
    return augmentations


def predict_augmentations(
    model: "nn.Module",
    examples: Examples,
    indices: Indices,
    augmentations: Sequence[Augmentation],
    device: "torch.device",
) -> Float32[Array, "augmentations m classes"]:
    """Logits of the examples at ``indices`` under each augmentation, in eval mode."""
    from vestige.learners.training.inference import predict_logits  # torch

    images, labels = examples.read(indices)
    rows = np.arange(len(indices))
    chosen = replace(
        examples, images=images, labels=labels, test_part=examples.test_part[indices], subjects=None, groups=None
    )
    copies = (replace(chosen, images=augmentation.apply(images)) for augmentation in augmentations)
    return np.stack([predict_logits(model, copy, rows, device) for copy in copies])
