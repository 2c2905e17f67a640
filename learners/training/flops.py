"""Floating-point operations, counted by torch on the real network."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_flops(model: nn.Module, shape: tuple[int, int, int]) -> dict[str, int]:
    """FLOPs (one multiply-add counts 2) of the forward pass of one image of ``shape`` (height, width, channels), by the
    path of the module that spends them; the whole network under ""."""
    network = copy.deepcopy(model).eval()
    device = next(network.parameters()).device
    height, width, channels = shape
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into the fused attention of eval mode
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, channels, height, width, device=device))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    root = type(network).__name__
    counts = {
        name: sum(counter.get_flop_counts().get(f"{root}.{name}", {}).values()) for name, _ in model.named_modules()
    }
    return {**counts, "": int(counter.get_total_flops())}


def forward_flops(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """FLOPs of the forward pass of one image of ``shape`` (height, width, channels).

    A backward pass costs twice as much, so a training step on one image is three times this."""
    return count_flops(model, shape)[""]
