"""Floating-point operations, counted by torch on the real network."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def forward_flops(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """FLOPs (one multiply-add counts 2) of the forward pass of one image of ``shape`` (height, width, channels).

    A backward pass costs twice as much, so a training step on one image is three times this."""
    network = copy.deepcopy(model).eval()
    device = next(network.parameters()).device
    height, width, channels = shape
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, channels, height, width, device=device))
    return int(counter.get_total_flops())
