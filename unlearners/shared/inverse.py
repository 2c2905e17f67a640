"""Products of a vector with the inverse of a damped curvature matrix, which is never formed."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import jvp, vjp

from vestige.unlearners.shared.gradients import (
    Gradients,
    flat,
    full_precision,
    like_weights,
    logits_at,
    transforms,
    weights_of,
)
from vestige.unlearners.shared.pool import Batch

Curvature = Literal["fisher", "gauss_newton"]

BLOCK = 1 << 16
"""Columns of the gradient matrix that are widened to float64 at a time."""


class Solution(NamedTuple):
    """x: ``[P]``. iterations: that were run. residual: norm of what is left over, as a share of the right side's."""

    x: Tensor
    iterations: int
    residual: float


def woodbury(gradients: Tensor, v: Tensor, damping: float) -> Tensor:
    """``(damping I + G^T G / M)^-1 v`` for the matrix G ``[M, P]`` of single images' gradients and v ``[P]``.

    By the matrix inversion lemma only an M x M system is solved, ``(v - G^T (damping M I + G G^T)^-1 G v) / damping``,
    in float64: with a small damping the two terms nearly cancel. Result ``[P]`` in the type of v.
    """
    samples = len(gradients)
    blocks = list(zip(torch.split(gradients, BLOCK, 1), torch.split(v, BLOCK), strict=True))
    gram = damping * samples * torch.eye(samples, dtype=torch.float64, device=v.device)
    right = torch.zeros(samples, dtype=torch.float64, device=v.device)
    for rows, part in blocks:
        wide = rows.double()
        gram += wide @ wide.T
        right += wide @ part.double()
    weights = torch.linalg.solve(gram, right)
    parts = [(part.double() - rows.double().T @ weights) / damping for rows, part in blocks]
    return torch.cat(parts).to(v.dtype)


def single_vector(gradients: Iterable[Tensor], v: Tensor, samples: int) -> Tensor:
    """What the loop of a published code computes in place of the inverse: v ``[P]`` less a multiple of one gradient.

    gradients: ``[P]`` each, of ``samples`` images. The first stays the only direction o that is ever corrected:
    ``k -= (k.g) / (M + o.g) o`` and ``o -= (o.g) / (M + o.g) o``. Source: the influence baseline of "Model Sparsity Can
    Simplify Machine Unlearning", arXiv 2304.04934, its code.
    """
    k, o = v.clone(), None
    for g in gradients:
        if o is None:
            o = g.clone()
            continue
        overlap = o @ g
        k -= (k @ g) / (samples + overlap) * o
        o -= overlap / (samples + overlap) * o
    return k


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], v: Tensor, *, iterations: int, tolerance: float
) -> Solution:
    """Solve ``A x = v`` for a symmetric positive definite A given by ``product``, from x = 0.

    Stops after ``iterations``, or when the residual's norm is at most ``tolerance`` times that of v ``[P]``; one
    product an iteration. A right side of zeros has the solution zero.
    """
    x, residual = torch.zeros_like(v), v.clone()
    direction, squared, start = residual.clone(), residual @ residual, float(v.norm())
    for done in range(iterations):
        if float(squared.sqrt()) <= tolerance * start:
            return Solution(x, done, float(squared.sqrt()) / start if start else 0.0)
        image = product(direction)
        step = squared / (direction @ image)
        x += step * direction
        residual -= step * image
        before, squared = squared, residual @ residual
        direction = residual + squared / before * direction
    return Solution(x, iterations, float(squared.sqrt()) / start)


def curvature_product(
    model: nn.Module, x: Tensor, y: Tensor, vector: Tensor, *, curvature: Curvature, smoothing: float = 0.0
) -> Tensor:
    """Sum over a batch of an image's curvature times ``vector`` ``[P]``; two forward passes, a tangent pass and a
    backward pass. ``fisher``: ``g g^T`` with the gradient of the true label's loss. ``gauss_newton``: ``J^T (diag(p) -
    p p^T) J`` with the Jacobian of the logits. Forward-mode derivatives, so no gradient of a single image is held."""
    weights, tangents = weights_of(model), like_weights(model, vector)

    def losses(at: Gradients) -> Tensor:
        return F.cross_entropy(logits_at(model, at, x), y, label_smoothing=smoothing, reduction="none")

    def logits(at: Gradients) -> Tensor:
        return logits_at(model, at, x)

    function = losses if curvature == "fisher" else logits
    with transforms():
        value, along = jvp(function, (weights,), (tangents,))[:2]
    if curvature == "gauss_newton":
        p = value.softmax(1)
        along = p * along - p * (p * along).sum(1, keepdim=True)
    with full_precision():
        pull = vjp(function, weights)[1]
        return flat(pull(along)[0])


def damped_product(
    model: nn.Module,
    batches: Callable[[], Iterable[Batch]],
    samples: int,
    damping: float,
    *,
    curvature: Curvature,
    smoothing: float = 0.0,
) -> Callable[[Tensor], Tensor]:
    """The function ``v -> (damping I + mean curvature) v`` over ``samples`` images that ``batches`` hands out."""

    def product(v: Tensor) -> Tensor:
        total = torch.zeros_like(v)
        for x, y in batches():
            total += curvature_product(model, x, y, v, curvature=curvature, smoothing=smoothing)
        return damping * v + total / samples

    return product
