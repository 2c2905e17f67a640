"""What a worker does for a shadow bank: train, predict, and, where a method is given, unlearn and predict again."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.design import ShadowDesign
from vestige.attacks.signals.signals import logit
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.io import digest
from vestige.learners.progress import Progress
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.augmentations import predict_augmentations
from vestige.learners.training.checkpoints import Checkpoint, checkpoint_bytes, load_checkpoint
from vestige.learners.training.device import pick_device
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.inference import accuracy
from vestige.learners.training.train import train
from vestige.unlearners.core.registry import create
from vestige.unlearners.core.task import Task


@dataclass(frozen=True, eq=False)
class ShadowOutputs:
    """Of one model. logits: float32 ``[augmentations, m, classes]``; phi: float32 ``[augmentations, m]``. accuracy_in,
    accuracy_out: on the rows that it was trained on (of the shadow's own half) and on the others, first augmentation.
    seconds, flops: of making it. checkpoint: the file's bytes, where they are to be kept."""

    logits: NDArray[np.float32]
    phi: NDArray[np.float32]
    accuracy_in: float
    accuracy_out: float
    seconds: float
    flops: float
    checkpoint: bytes | None


@dataclass(frozen=True)
class Kept:
    """Weights of a shadow in some bank of the same training, and the seconds that it took to make them."""

    path: Path
    seconds: float


def make_shadow(
    design: ShadowDesign, model: int, *, kept: Kept | None, keep_weights: bool, progress: Progress
) -> ShadowOutputs:
    """Train shadow ``model``, or take kept weights, and predict. Cost counts the training in either case."""
    began = time.perf_counter()
    shadow = shadow_of(design, model, kept, progress)
    passes = 3 * design.recipe.epochs * len(design.trained_on(model))
    file = _checkpoint(design, model, shadow) if keep_weights else None
    outputs = _outputs(design, model, shadow, began, passes, file)
    return outputs if kept is None else replace(outputs, seconds=outputs.seconds + kept.seconds)


def shadow_of(design: ShadowDesign, model: int, kept: Kept | None, progress: Progress) -> Classifier:
    """Shadow ``model`` from kept weights where this machine sees them, trained otherwise: to the same bits.

    Raises DataError for weights of another model."""
    if kept is None or not kept.path.is_file():
        return train_shadow(design, model, progress)
    shadow, header = load_checkpoint(kept.path, pick_device(design.device), data=design.examples.fingerprint)
    if (header.recipe, header.seed, header.indices) != (
        design.recipe,
        design.model_seed(model),
        _trained_indices(design, model),
    ):
        raise DataError(f"{kept.path}: holds another model than shadow {model}; delete its folder")
    return shadow


def train_shadow(design: ShadowDesign, model: int, progress: Progress) -> Classifier:
    """Shadow ``model``: the same bits whenever and wherever on this kind of device."""
    indices, seed = design.trained_on(model), design.model_seed(model)
    try:
        return train(design.recipe, design.examples, indices, seed, pick_device(design.device), progress=progress)
    except DataError as error:
        raise DataError(f"shadow {model}: {error}") from None


def unlearn_shadow(
    design: ShadowDesign,
    model: int,
    shadow: Classifier,
    method: str,
    parameters: Mapping[str, Any],
    validation: Indices,
    setting: str,
) -> ShadowOutputs:
    """Unlearn from the shadow the requests that it was trained on, and predict with the result."""
    began = time.perf_counter()
    trained = design.trained_on(model)
    forget = np.intersect1d(trained, design.requests)
    task = Task(
        examples=design.examples,
        forget=forget,
        retain=np.setdiff1d(trained, forget),
        validation=validation,
        recipe=design.recipe,
        seed=design.model_seed(model),
        device=pick_device(design.device),
        setting=setting,  # type: ignore[arg-type]
    )
    candidate = create(method, parameters)(shadow, task)
    outputs = _outputs(design, model, candidate, began, 0, None)
    return replace(outputs, flops=task.meter.cost().flops)


def _outputs(
    design: ShadowDesign, model: int, network: Classifier, began: float, passes: int, checkpoint: bytes | None
) -> ShadowOutputs:
    logits = predict_augmentations(
        network, design.examples, design.rows, design.augmentations, pick_device(design.device)
    )
    labels = design.examples.labels[design.rows]
    inside = design.member_of(model)
    return ShadowOutputs(
        logits=logits,
        phi=logit(logits, labels).astype(np.float32),
        accuracy_in=accuracy(logits[0, inside], labels[inside]) if inside.any() else float("nan"),
        accuracy_out=accuracy(logits[0, ~inside], labels[~inside]) if not inside.all() else float("nan"),
        seconds=time.perf_counter() - began,
        flops=float(passes * forward_flops(network, design.examples.shape)),
        checkpoint=checkpoint,
    )


def _trained_indices(design: ShadowDesign, model: int) -> str:
    """Digest of what a shadow was trained on, as its checkpoint's header has it."""
    return digest(design.trained_on(model).astype("<i8").tobytes())


def _checkpoint(design: ShadowDesign, model: int, network: Classifier) -> bytes:
    header = Checkpoint(
        role="shadow",
        recipe=design.recipe,
        shape=design.examples.shape,
        classes=design.examples.classes,
        seed=design.model_seed(model),
        data=design.examples.fingerprint,
        indices=_trained_indices(design, model),
        label_noise=design.examples.label_noise,
    )
    return checkpoint_bytes(network, header)
