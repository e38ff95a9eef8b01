"""Rounding to nearest: no calibration, the least that any other method should beat."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight, nearest, search
from ptq_privacy.compression.work import Cost, NetworkCost, grid_search
from ptq_privacy.graph.layers import set_weight, unfold_weight
from ptq_privacy.graph.trace import weight_layer


def compress(
    model: nn.Module, inputs: Tensor, levels: Mapping[str, int], seed: int
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """Round every layer's weight; arguments and result as `compression.Method` has them."""
    layers = {name: quantize_layer(model, name, count) for name, count in levels.items()}
    for name, layer in layers.items():
        set_weight(model, name, layer.values)
    return model, layers


def quantize_layer(model: nn.Module, name: str, levels: int) -> QuantizedWeight:
    """One layer's weight on the grid that rounds it best, [out, d]."""
    weight = unfold_weight(weight_layer(model, name)).flatten(0, 1)
    grid = search(weight, levels)
    return QuantizedWeight(nearest(weight, grid), grid)


def work(network: NetworkCost, images: int, device: str) -> Cost:
    """Of searching the grids."""
    return Cost(grid_search(network))
