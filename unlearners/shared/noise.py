"""Images that a network errs on, learnt from noise."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import check_finite_weights
from vestige.unlearners.shared.steps import autocast


def noise_loss(logits: Tensor, noise: Tensor, label: int, penalty: float) -> Tensor:
    """``-CE(logits, label) + penalty * mean over images of the sum of squared pixels``; logits ``[m, classes]``, noise
    ``[m, channels, height, width]`` in the network's input space."""
    labels = torch.full((len(logits),), label, device=logits.device)
    return penalty * noise.square().sum((1, 2, 3)).mean() - F.cross_entropy(logits.float(), labels)


def learn_noise(
    name: str,
    model: Classifier,
    task: Task,
    label: int,
    *,
    images: int,
    steps: int,
    learning_rate: float,
    penalty: float,
    generator: torch.Generator,
) -> Tensor:
    """Noise ``[images, channels, height, width]`` that maximises the network's error for ``label``, by Adam.

    It lives in the space that the network receives and starts at a standard normal from ``generator``. The network is
    in eval mode and gets no gradient: its parameters and buffers stay as they are to the last bit. Counts a forward and
    a backward pass for each image and step. Raises DataError on behalf of method ``name`` for noise that is not finite.
    """
    height, width, channels = task.examples.shape
    start = torch.randn(images, channels, height, width, generator=generator)
    noise = start.to(task.device).requires_grad_()
    optimiser = torch.optim.Adam([noise], lr=learning_rate)
    model.eval()
    for _ in range(steps):
        with autocast(task):
            logits = model(noise)
        loss = noise_loss(logits, noise, label, penalty)
        check_finite_weights(name, "the loss of the noise", loss.detach(), "noise_rate")
        (noise.grad,) = torch.autograd.grad(loss, noise)
        task.meter.forward("synthetic", images)
        task.meter.backward("synthetic", images)
        optimiser.step()
    learnt = noise.detach()
    check_finite_weights(name, "the noise", learnt, "noise_rate")
    return learnt
