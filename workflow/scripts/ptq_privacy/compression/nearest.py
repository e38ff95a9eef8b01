"""Rounding to nearest: no calibration, the least that any other method should beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import apart, rounded, set_weights
from ptq_privacy.compression.work import Cost, NetworkCost, grid_search


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Round every layer's weight; arguments and result as `compression.Together` has them."""
    layers = {name: rounded(models, name, count) for name, count in levels.items()}
    for name, layer in layers.items():
        set_weights(models, name, layer)
    return apart(models, layers)


def work(network: NetworkCost, images: int, device: str) -> Cost:
    """Of searching the grids."""
    return Cost(grid_search(network))
