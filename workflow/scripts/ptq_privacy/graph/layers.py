"""One layer as layer-wise methods see it: its unfolded weight, and what goes in and comes out.

A convolution is a matrix product of unfolded patches, group by group; a linear layer is one
already. Weights are unfolded to [groups, out, d], d in (channel, kh, kw) order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.graph.trace import WeightLayer

Positions = tuple[Tensor, ...]
"""Index into the leading dimensions of channels-last outputs: one int64 tensor a dimension."""


@dataclass(frozen=True)
class Moments:
    """What a layer-wise solver needs to know of one layer, group by group.

    With y the full-precision layer's output without its bias and x̂ the quantized stream's input at
    the same position, both of one group (a Linear and most convolutions have one group only):

    name: the layer's path in the network, such as "layer1.0.conv1".
    weight: float32 [groups, out, d], unfolded in (channel, kh, kw) order; out is that of a group.
    second: E[x̂ x̂ᵀ], float32 [groups, d, d].
    cross: E[y x̂ᵀ], float32 [groups, out, d].
    input_mean: E[x̂], float32 [groups, d].
    output_mean: E[y], float32 [groups, out].
    """

    name: str
    weight: Tensor
    second: Tensor
    cross: Tensor
    input_mean: Tensor
    output_mean: Tensor


@dataclass(frozen=True)
class Samples:
    """One layer's inputs and outputs at some positions, group by group.

    name: the layer's path in the network.
    weight: float32 [groups, out, d], as in `Moments`.
    bias: float32 [groups, out], zeros for a layer without one.
    inputs: of the quantized stream, float32 [groups, positions, d].
    outputs: of the full-precision layer, with its bias, float32 [groups, positions, out].
    """

    name: str
    weight: Tensor
    bias: Tensor
    inputs: Tensor
    outputs: Tensor


def set_weight(network: nn.Module, name: str, weight: Tensor) -> None:
    """Give a layer of a network another weight, [out, d] in (channel, kh, kw) order."""
    own = network.get_submodule(name).weight
    assert isinstance(own, Tensor)
    with torch.no_grad():
        own.copy_(weight.view_as(own))


def unfold_weight(layer: WeightLayer) -> Tensor:
    """A layer's weight as [groups, out, d], d in (channel, kh, kw) order."""
    weight = layer.weight.detach().contiguous()
    return weight.view(groups_of(layer), -1, weight[0].numel())


def patches(layer: WeightLayer, x: Tensor, at: Positions) -> Tensor:
    """A layer's inputs at some positions of its output: [groups, positions, d].

    Unlike the unfolded weight, d is in (kh, kw, channel) order: so a patch of a channels-last image
    is a few runs of memory, and only the small second moment needs reordering.

    Args:
        layer: a Conv2d or a Linear.
        x: its input, [n, C, H, W] or [..., C].
        at: image, row and column of each position (of a Linear's output, its leading indices).
    """
    if isinstance(layer, nn.Linear):
        return x[at][None]
    (kh, kw), (sh, sw), (dh, dw) = layer.kernel_size, layer.stride, layer.dilation
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = F.pad(x, layer._reversed_padding_repeated_twice, mode)  # in pixels even for "same"
    x = x.unfold(2, (kh - 1) * dh + 1, sh)[..., ::dh].unfold(3, (kw - 1) * dw + 1, sw)[..., ::dw]
    x = x.permute(0, 2, 3, 4, 5, 1)[at]  # [positions, kh, kw, C]
    x = x.flatten(1, 2).unflatten(2, (layer.groups, -1))  # [positions, kh kw, groups, C / groups]
    return x.permute(2, 0, 1, 3).flatten(2)


def targets(layer: WeightLayer, y: Tensor, at: Positions) -> Tensor:
    """A layer's outputs at some positions, without its bias: [groups, positions, out]."""
    y = channels_last(layer, y)[at]
    if layer.bias is not None:
        y = y - layer.bias
    return y.unflatten(1, (groups_of(layer), -1)).transpose(0, 1)


def channels_last(layer: WeightLayer, y: Tensor) -> Tensor:
    return y.permute(0, 2, 3, 1) if isinstance(layer, nn.Conv2d) else y


def groups_of(layer: WeightLayer) -> int:
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def channel_first(layer: WeightLayer) -> Tensor:
    """Where the entries of a (channel, kh, kw) patch stand in a (kh, kw, channel) one: [d]."""
    channels = layer.weight.shape[1]
    return torch.arange(layer.weight[0].numel()).view(-1, channels).T.flatten()


def unravel(index: Tensor, shape: torch.Size) -> Positions:
    """`torch.unravel_index`, whose first call spends half a second on importing SymPy."""
    places = []
    for size in reversed(shape):
        places.append(index % size)
        index = index // size
    return tuple(reversed(places))
