"""Slices: the weights that one unit of a network owns, what the unit does, and the curvature of the loss in them.

A unit is an output channel of a convolution or an output of a linear layer; it owns its filter or matrix row and its
bias. Batch normalisation owns nothing here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vestige.learners.errors import DataError
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.shared.gradients import full_precision

Layer = nn.Conv2d | nn.Linear
Call = tuple[Tensor, Tensor]
"""Input and output of a layer."""

LARGEST_CURVATURE = 4 * 2**30
"""Bytes of derivatives that are kept, and of the matrices of one Newton step."""


@dataclass(frozen=True)
class Unit:
    """A unit of a layer: position of the layer among those offered, output channel."""

    layer: int
    row: int


def last_layers(model: Classifier, count: int, x: Tensor) -> list[Layer]:
    """The last ``count`` convolutions and linear layers that may move and that a forward pass of ``x`` calls once, in
    the order in which the network registers them, which need not be that of the calls."""
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.weight.requires_grad]
    calls = [0] * len(layers)

    def counting(position: int) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[position] += 1

        return hook

    handles = [m.register_forward_hook(counting(k)) for k, m in enumerate(layers)]  # type: ignore[arg-type]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return [m for m, times in zip(layers, calls, strict=True) if times == 1][-count:]


@contextmanager
def listening(layers: Sequence[Layer]) -> Iterator[list[Call]]:
    """Inputs and outputs of the layers in the forward pass inside; the hooks are gone afterwards."""
    calls: list[Call] = [(torch.empty(0), torch.empty(0))] * len(layers)

    def keeping(position: int) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            calls[position] = (inputs[0].detach(), output)
            return output.clone()  # what follows may work in place

        return hook

    handles = [m.register_forward_hook(keeping(k)) for k, m in enumerate(layers)]  # type: ignore[arg-type]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def units_of(layers: Sequence[Layer]) -> list[Unit]:
    """All units, layer by layer."""
    return [Unit(k, row) for k, layer in enumerate(layers) for row in range(layer.weight.shape[0])]


def activations(layers: Sequence[Layer], calls: Sequence[Call]) -> Tensor:
    """Output of every unit before its non-linearity, averaged over positions: ``[b, units]``."""
    return torch.cat([_by_unit(m, out).mean(2) for m, (_, out) in zip(layers, calls, strict=True)], dim=1)


def read_slice(layer: Layer, row: int, *, of: tuple[Tensor, Tensor | None] | None = None) -> Tensor:
    """What the unit owns, flat: its weights, then its bias where it has one that may move. of: the same from tensors
    shaped like the layer's weight and bias, such as their gradients."""
    weight, bias = (layer.weight, layer.bias) if of is None else of
    parts = [weight[row].flatten()]
    if owns_bias(layer) and bias is not None:
        parts.append(bias[row].flatten())
    return torch.cat(parts).detach().clone()


def write_slice(layer: Layer, row: int, values: Tensor) -> None:
    """The reverse of ``read_slice``, in place."""
    size = layer.weight[row].numel()
    with torch.no_grad():
        layer.weight[row].copy_(values[:size].view(layer.weight[row].shape))
        if owns_bias(layer):
            assert layer.bias is not None
            layer.bias[row].copy_(values[size])


def owns_bias(layer: Layer) -> bool:
    """Whether the layer has a bias that may move."""
    return layer.bias is not None and layer.bias.requires_grad


def largest_slices(layers: Sequence[Layer], count: int) -> int:
    """Values that ``count`` units own at most."""
    sizes = sorted((_size(layer) for layer in layers for _ in range(layer.weight.shape[0])), reverse=True)
    return sum(sizes[:count])


def require_room(rows: int, values: int) -> None:
    """Raise DataError when a Newton step with a factor of this shape would take more memory than
    ``LARGEST_CURVATURE``: the factor, its smaller square and the copy that the solver makes of it, in float64."""
    size = 8 * (rows * values + 2 * min(rows, values) ** 2)
    if size > LARGEST_CURVATURE:
        raise DataError(
            f"lcodec: expected at most {LARGEST_CURVATURE / 2**30:.3g} GiB for the matrices of a Newton step, got "
            f"{size / 2**30:.3g} ({rows} derivatives of {values} values); lower lcodec.hessian_images or "
            "lcodec.most_units"
        )


class Curvature:
    """Second derivatives of the mean cross-entropy of given images, for any set of slices.

    Gauss-Newton: with J the Jacobian of an image's logits and p its probabilities, the mean of
    ``J' (diag p - p p') J``. In slices of one layer of a network that is piecewise linear apart from the loss (ReLU,
    max-pooling, normalisation with running statistics) this is the exact Hessian; across layers it leaves out the terms
    that can be negative. It does not depend on labels. ``add`` takes one forward and, for each class, one backward pass
    of each image.
    """

    def __init__(self, layers: Sequence[Layer], images: int) -> None:
        self._layers = layers
        self._images = images
        self._parts: list[tuple[Tensor, list[tuple[Tensor, Tensor]]]] = []

    def add(self, model: Classifier, x: Tensor) -> None:
        """Take in a batch. Raises DataError when the derivatives of all images would not fit into memory."""
        with listening(self._layers) as calls, torch.enable_grad(), full_precision():
            logits = model(x)
        outputs = [out for _, out in calls]
        size = sum(4 * (out.numel() * logits.shape[1] + seen.numel()) for seen, out in calls) // len(x) * self._images
        if size > LARGEST_CURVATURE:
            raise DataError(
                f"lcodec: expected at most {LARGEST_CURVATURE / 2**30:.0f} GiB of derivatives, got {size / 2**30:.1f}; "
                "lower lcodec.last_layers or lcodec.hessian_images"
            )
        with full_precision():
            gradients = [
                torch.autograd.grad(logits[:, c].sum(), outputs, retain_graph=True) for c in range(logits.shape[1])
            ]
        derivatives = [torch.stack(by_class, dim=1).detach() for by_class in zip(*gradients, strict=True)]
        seen = [inputs for inputs, _ in calls]
        self._parts.append((logits.detach().softmax(1), list(zip(seen, derivatives, strict=True))))

    def factor(self, units: Sequence[Unit]) -> Tensor:
        """``A`` with ``A' A`` the Gauss-Newton matrix of these slices, one after another: float64
        ``[images x classes, values]``. Raises DataError when a step with it would not fit into memory."""
        lengths = [p.numel() for p, _ in self._parts]
        sizes = [_size(self._layers[unit.layer]) for unit in units]
        require_room(sum(lengths), sum(sizes))
        whole = torch.empty((sum(lengths), sum(sizes)), dtype=torch.float64, device=self._parts[0][0].device)
        for block, (p, kept) in zip(torch.split(whole, lengths), self._parts, strict=True):
            wide = p.double()
            for out, unit in zip(torch.split(block.view(*p.shape, -1), sizes, dim=2), units, strict=True):
                jacobian = _jacobian(self._layers[unit.layer], unit.row, *kept[unit.layer])
                jacobian -= torch.einsum("bc,bcp->bp", wide, jacobian)[:, None]
                torch.mul(wide.sqrt()[:, :, None], jacobian, out=out)
        return whole.div_(self._images**0.5)


def newton_direction(factor: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """``(A' A + damping I)^-1 gradient`` for ``A`` ``[rows, values]``, through the smaller of the two squares.

    Takes about ``2 rows values m + m^3`` operations, m the smaller of rows and values."""
    rows, values = factor.shape
    square = factor.T @ factor if values <= rows else factor @ factor.T
    square.diagonal().add_(damping)
    if values <= rows:
        direction: Tensor = torch.linalg.solve(square, gradient)
        return direction
    inner: Tensor = torch.linalg.solve(square, factor @ gradient)
    return (gradient - factor.T @ inner) / damping


def _size(layer: Layer) -> int:
    """Values that a unit owns."""
    return layer.weight[0].numel() + owns_bias(layer)


def _by_unit(layer: Layer, output: Tensor) -> Tensor:
    """``[b, units, positions]``"""
    if isinstance(layer, nn.Conv2d):
        return output.flatten(2)
    return output.reshape(len(output), -1, output.shape[-1]).transpose(1, 2)


def _jacobian(layer: Layer, row: int, inputs: Tensor, derivatives: Tensor) -> Tensor:
    """Derivatives of the logits by what a unit owns, ``[b, classes, values]`` in float64."""
    images, classes = derivatives.shape[:2]
    if isinstance(layer, nn.Conv2d):
        along, patches = derivatives[:, :, row], _patches(layer, row, inputs)
    else:
        along, patches = derivatives[..., row], inputs.reshape(images, -1, inputs.shape[-1]).transpose(1, 2)
    along = along.reshape(images, classes, -1).double()
    weights = torch.einsum("bcl,bpl->bcp", along, patches.double())
    return torch.cat([weights, along.sum(2, keepdim=True)], dim=2) if owns_bias(layer) else weights


def _patches(layer: nn.Conv2d, row: int, inputs: Tensor) -> Tensor:
    """What the filter of an output channel sees: ``[b, weights of the filter, positions]``."""
    within = layer.weight.shape[1]
    group = row // (layer.weight.shape[0] // layer.groups)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    channels = inputs[:, group * within : (group + 1) * within].contiguous()
    padded = F.pad(channels, layer._reversed_padding_repeated_twice, mode=mode)
    size, gap, step = ((int(pair[0]), int(pair[1])) for pair in (layer.kernel_size, layer.dilation, layer.stride))
    return F.unfold(padded, size, dilation=gap, stride=step)
