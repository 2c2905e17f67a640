"""What a worker does for a shadow bank: train, ask, and, where it is told to, unlearn and ask again."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attacks.shadow_design import ShadowDesign
from attacks.signals import logit
from learners import (
    Checkpoint,
    Classifier,
    DataError,
    Indices,
    Progress,
    accuracy,
    checkpoint_bytes,
    digest,
    forward_flops,
    pick_device,
    predict_views,
    train,
)
from unlearners import Task, create


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said. logits: float32 ``[views, m, classes]``; phi: float32 ``[views, m]``. accuracy_in,
    accuracy_out: on the rows that it was trained on (of the shadow's own half) and on the others, first view. seconds,
    flops: of making it. checkpoint: the file's bytes, where they are to be kept."""

    logits: NDArray[np.float32]
    phi: NDArray[np.float32]
    accuracy_in: float
    accuracy_out: float
    seconds: float
    flops: float
    checkpoint: bytes | None


def make_shadow(design: ShadowDesign, model: int, *, keep_weights: bool, progress: Progress) -> Answers:
    """Train shadow ``model`` and ask it."""
    began = time.perf_counter()
    trained = train_shadow(design, model, progress)
    passes = 3 * design.recipe.epochs * len(design.trained_on(model))
    kept = _checkpoint(design, model, trained) if keep_weights else None
    return _answers(design, model, trained, began, passes, kept)


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
) -> Answers:
    """Unlearn the shadow's own requests from it by the method, and ask what comes out."""
    began = time.perf_counter()
    own = design.trained_on(model)
    forget = np.intersect1d(own, design.requests)
    task = Task(
        examples=design.examples,
        forget=forget,
        retain=np.setdiff1d(own, forget),
        validation=validation,
        recipe=design.recipe,
        seed=design.model_seed(model),
        device=pick_device(design.device),
        setting=setting,  # type: ignore[arg-type]
    )
    candidate = create(method, parameters)(shadow, task)
    answers = _answers(design, model, candidate, began, 0, None)
    return Answers(**{**vars(answers), "flops": task.meter.cost().flops})


def _answers(
    design: ShadowDesign, model: int, network: Classifier, began: float, passes: int, checkpoint: bytes | None
) -> Answers:
    logits = predict_views(network, design.examples, design.rows, design.views, pick_device(design.device))
    labels = design.examples.labels[design.rows]
    inside = design.member_of(model)
    return Answers(
        logits=logits,
        phi=logit(logits, labels).astype(np.float32),
        accuracy_in=accuracy(logits[0, inside], labels[inside]) if inside.any() else float("nan"),
        accuracy_out=accuracy(logits[0, ~inside], labels[~inside]) if not inside.all() else float("nan"),
        seconds=time.perf_counter() - began,
        flops=float(passes * forward_flops(network, design.examples.shape)),
        checkpoint=checkpoint,
    )


def trained_indices(design: ShadowDesign, model: int) -> str:
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
        indices=trained_indices(design, model),
        label_noise=design.examples.label_noise,
    )
    return checkpoint_bytes(network, header)
