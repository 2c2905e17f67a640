"""Gradients as measurements: in eval mode, in float32 (not TF32), on un-augmented images, counted as they are read."""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.optimisation import trainable
from vestige.unlearners.shared.pool import Batch, Pool

Gradients = tuple[Tensor, ...]
"""One tensor for each trainable parameter, in the network's order."""

CHUNK_BYTES = 2**28
"""Memory for the gradients of the images of one chunk (one image, where that alone takes more); squares, sums and what
the transforms keep come on top, a few times as much."""


class Reading:
    """Hands out batches, counts their passes and reports progress; total: batches (and other steps) of the run."""

    def __init__(self, task: Task, total: int) -> None:
        self._task, self._total, self._done = task, total, 0

    def of(self, pool: Pool, batch_size: int, *, backward: int = 1) -> Iterator[Batch]:
        """The pool's images in order, un-augmented: one forward and ``backward`` backward passes each."""
        for x, y in pool.plain(batch_size):
            yield x, y
            self._task.meter.forward(pool.role, len(y))
            self._task.meter.backward(pool.role, backward * len(y))
            self.step()

    def step(self) -> None:
        """One more of ``total`` is done."""
        self._done += 1
        self._task.report(self._done, self._total)


def batch_count(images: int, batch_size: int) -> int:
    """How many batches ``Pool.plain`` hands out."""
    return math.ceil(images / batch_size)


def trainable_names(model: nn.Module) -> list[str]:
    """The names of the trainable parameters, in the network's order."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def logits_at(model: nn.Module, weights: Gradients, x: Tensor) -> Tensor:
    """Logits ``[b, classes]`` of the network with ``weights`` in place of its trainable parameters."""
    logits: Tensor = functional_call(model, dict(zip(trainable_names(model), weights, strict=True)), (x,))
    return logits


def weights_of(model: nn.Module) -> Gradients:
    """The values of the trainable parameters; contiguous, since vmap is slow on channels-last strides."""
    return tuple(parameter.detach().contiguous() for parameter in trainable(model))


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, convolutions on a GPU multiply in float32; by default they do so in TF32, with 10 bits of a factor."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def transforms() -> Iterator[None]:
    """Inside, torch.func does not warn the caller of its own slow paths and of what it imports, and attention takes the
    plain path: the fused ones have no forward-mode derivative. Full precision."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), full_precision():
        warnings.filterwarnings("ignore", "There is a performance drop because", UserWarning)
        warnings.filterwarnings("ignore", ".*torch.jit.script.* is deprecated", DeprecationWarning)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


def batch_gradient(model: nn.Module, x: Tensor, y: Tensor, *, smoothing: float = 0.0, total: bool = False) -> Gradients:
    """Gradient of the mean (``total``: the sum) of cross-entropy over a batch; a parameter that is not used has 0."""
    with full_precision():
        loss = F.cross_entropy(model(x), y, label_smoothing=smoothing, reduction="sum" if total else "mean")
        return torch.autograd.grad(loss, trainable(model), allow_unused=True, materialize_grads=True)


def summed_gradient(model: nn.Module, batches: Iterable[Batch], *, smoothing: float = 0.0) -> Gradients:
    """Sum over all images of the gradient of cross-entropy."""
    total = tuple(torch.zeros_like(weight) for weight in weights_of(model))
    for x, y in batches:
        for sum_, part in zip(total, batch_gradient(model, x, y, smoothing=smoothing, total=True), strict=True):
            sum_ += part
    return total


def per_sample_gradients(model: nn.Module, x: Tensor, y: Tensor, *, smoothing: float = 0.0) -> Iterator[Gradients]:
    """Gradients of every image's own cross-entropy, in chunks: tensors ``[c, *shape]`` whose c add up to the batch."""

    def loss(weights: Gradients, image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(logits_at(model, weights, image[None]), label[None], label_smoothing=smoothing)

    weights, size = weights_of(model), _chunk(model)
    for images, labels in zip(torch.split(x.contiguous(), size), torch.split(y, size), strict=True):
        with transforms():
            gradients: Gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, images, labels)
        yield gradients


def squared_gradients(model: nn.Module, x: Tensor, y: Tensor) -> Gradients:
    """Sum over a batch of the squares of every image's own gradient."""
    total = tuple(torch.zeros_like(weight) for weight in weights_of(model))
    for chunk in per_sample_gradients(model, x, y):
        for sum_, part in zip(total, chunk, strict=True):
            sum_ += part.square().sum(0)
    return total


def fisher_sum(model: nn.Module, x: Tensor, uniforms: Tensor | None) -> Gradients:
    """Sum over a batch of the diagonal of the Fisher information, from single images.

    Without ``uniforms`` exactly, ``sum_c p(c | x) (d log p(c | x))^2``, one forward and C backward passes an image.
    With ``uniforms`` ``[b]`` in [0, 1) the label is drawn from p by inversion: one backward pass, the same expectation.
    """

    def expected_squares(weights: Gradients, image: Tensor, uniform: Tensor) -> Gradients:
        log_p, pull = vjp(lambda at: F.log_softmax(logits_at(model, at, image[None])[0], 0), weights)[:2]
        p, classes = log_p.exp(), torch.arange(len(log_p), device=log_p.device)
        if uniforms is not None:
            label = (p.cumsum(0) <= uniform).sum().clamp(max=len(p) - 1)
            return tuple(part.square() for part in pull((classes == label).to(p))[0])
        total = tuple(torch.zeros_like(weight) for weight in weights)
        for label in range(len(p)):
            squares = (part.square() for part in pull((classes == label).to(p))[0])
            total = tuple(sum_ + p[label] * square for sum_, square in zip(total, squares, strict=True))
        return total

    weights, size = weights_of(model), _chunk(model)
    draws = torch.zeros(len(x), device=x.device) if uniforms is None else uniforms.to(x)
    result = tuple(torch.zeros_like(weight) for weight in weights)
    for images, numbers in zip(torch.split(x.contiguous(), size), torch.split(draws, size), strict=True):
        with transforms():
            squares = vmap(expected_squares, in_dims=(None, 0, 0))(weights, images, numbers)
        for sum_, part in zip(result, squares, strict=True):
            sum_ += part.sum(0)
    return result


def flat(gradients: Gradients) -> Tensor:
    """All values in one vector ``[P]``."""
    return torch.cat([part.flatten() for part in gradients])


def flat_rows(gradients: Gradients) -> Tensor:
    """Gradients of c images ``[c, *shape]`` as a matrix ``[c, P]``."""
    return torch.cat([part.flatten(1) for part in gradients], 1)


def like_weights(model: nn.Module, vector: Tensor) -> Gradients:
    """A vector ``[P]`` cut into the shapes of the trainable parameters."""
    weights = weights_of(model)
    parts = torch.split(vector, [weight.numel() for weight in weights])
    return tuple(part.view_as(weight) for part, weight in zip(parts, weights, strict=True))


def _chunk(model: nn.Module) -> int:
    return max(1, CHUNK_BYTES // (4 * sum(weight.numel() for weight in trainable(model))))
