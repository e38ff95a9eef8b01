"""A compression of your own: any function from a trained network to one like it."""

import torch
from torch import Tensor, nn


def stochastic(
    network: nn.Module,
    inputs: Tensor,
    bits: float,
    head_bits: float | None,
    seed: int,
    clip: float = 1.0,
) -> tuple[nn.Module, float]:
    """Round each weight up or down at random, in proportion; symmetric, one scale a channel.

    It is called with a copy of the network, calibration inputs as the network takes them (this
    method needs none), the variant's bits and a seed; `clip` comes from the config's `settings`.
    """
    draw = torch.Generator().manual_seed(seed)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    stored = weights = 0.0
    for layer in layers:
        width = bits if head_bits is None or layer is not layers[-1] else head_bits
        levels = round(2**width)
        flat = layer.weight.flatten(1)
        scale = 2 * clip * flat.abs().amax(1, keepdim=True).clamp(min=1e-12) / (levels - 1)
        steps = flat / scale + (levels - 1) / 2  # from 0 to levels - 1
        codes = (steps + torch.rand(flat.shape, generator=draw)).floor().clamp(0, levels - 1)
        layer.weight.copy_(((codes - (levels - 1) / 2) * scale).view_as(layer.weight))
        stored += width * flat.numel() + 32 * len(flat)
        weights += flat.numel()
    return network, stored / weights
