"""Logits, always in eval mode."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from vestige.learners.arrays import Array, Indices, Labels
from vestige.learners.data.examples import Examples
from vestige.learners.training.batches import to_input
from vestige.learners.training.device import one_thread


def predict_logits(
    model: nn.Module, examples: Examples, indices: Indices, device: torch.device, *, batch_size: int = 512
) -> Float32[Array, "m classes"]:
    """Logits of the un-augmented examples at ``indices``.

    The model is put into eval mode, so that a logit does not depend on which examples share its batch, and back into
    the mode that it was in."""
    was_training = model.training
    model.eval()
    outputs = []
    try:
        with torch.inference_mode(), one_thread():
            for start in range(0, len(indices), batch_size):
                images, _ = examples.read(indices[start : start + batch_size])
                outputs.append(model(to_input(torch.from_numpy(images).to(device))).float().cpu())
    finally:
        model.train(was_training)
    return np.asarray(torch.cat(outputs).numpy())


def accuracy(logits: Float[Array, "n classes"], labels: Labels) -> float:
    """Share of examples whose largest logit is their label's."""
    return float(np.mean(logits.argmax(-1) == labels))
