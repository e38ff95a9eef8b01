"""Rounding to nearest: no calibration, the least that any other method should beat."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import rounded
from ptq_privacy.compression.work import Cost, NetworkCost, grid_search
from ptq_privacy.graph.layers import set_weight


def compress(
    model: nn.Module, inputs: Tensor, levels: Mapping[str, int], seed: int
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """Round every layer's weight; arguments and result as `compression.Method` has them."""
    layers = {name: rounded(model, name, count) for name, count in levels.items()}
    for name, layer in layers.items():
        set_weight(model, name, layer.values)
    return model, layers


def work(network: NetworkCost, images: int, device: str) -> Cost:
    """Of searching the grids."""
    return Cost(grid_search(network))
