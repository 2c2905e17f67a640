"""Everything that determines training, apart from the data and the seed."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from vestige.learners.files.io import canonical_json, digest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Recipe:
    """How a model is trained: the same for original, retrains and shadows.

    architecture: ``mlp``, ``cnn``, ``resnet8``, ``resnet18`` or ``torchvision:NAME``; width: units of the hidden layers
    (mlp) or channels of the first block (cnn, resnets), None for the architecture's own. epochs: passes over the
    training examples. learning_rate: peak of the schedule, for SGD with momentum. weight_decay: L2, per step.
    schedule: ``cosine`` to zero, or ``constant``. warmup: share of the steps with a linear rise. augmentation:
    ``none``, ``flip`` (mirror) or ``crop_flip`` (random crop after reflection padding of ``crop_padding`` pixels, and
    mirror). precision: of the forward pass; weights stay float32.
    """

    architecture: Annotated[str, Field(min_length=1)] = "cnn"
    width: Annotated[int, Field(ge=1, le=4096)] | None = None
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 5e-4
    nesterov: bool = False
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augmentation: Literal["none", "flip", "crop_flip"] = "none"
    crop_padding: Annotated[int, Field(ge=1, le=64)] = 4
    precision: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Recipe":
        if self.nesterov and self.momentum == 0:
            raise ValueError("a momentum above 0 beside nesterov = true")
        return self

    @property
    def key(self) -> str:
        """SHA-256 of the settings."""
        return digest(canonical_json(asdict(self)))
