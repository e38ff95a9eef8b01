"""In which order a network's images and features lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

VECTOR = 8  # numbers of float32 that AVX2 computes at once


def memory_order(network: nn.Module) -> torch.memory_format:
    """Channels last, which convolutions like, where that is safe.

    oneDNN's gradient of a 1x1 convolution with a stride writes past its end in this order where
    there are fewer channels than a vector holds (seen in PyTorch 2.14): the process dies, or not.
    """
    for module in network.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.kernel_size == (1, 1)
            and module.stride != (1, 1)
            and module.in_channels < VECTOR
        ):
            return torch.contiguous_format
    return torch.channels_last


def in_order(inputs: Tensor, order: torch.memory_format) -> Tensor:
    """Inputs in an order; only images have several.

    An image of one channel is in both orders at once, but what a network makes of it follows its
    strides, so these are set as well.
    """
    if inputs.ndim != 4:
        return inputs
    if order == torch.channels_last:
        return inputs.contiguous(memory_format=order)
    return inputs.clone(memory_format=order)
