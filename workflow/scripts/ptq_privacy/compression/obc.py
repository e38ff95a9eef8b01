"""Optimal Brain Compression (Frantar and Alistarh 2022): each layer by greedy elimination.

Every layer is solved alone, on the full-precision network's inputs. Batch normalisation stays and
gets new statistics afterwards, which undoes the shift that rounding caused.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ptq_privacy.compression.elimination import quantize_rows
from ptq_privacy.compression.grid import Grid, QuantizedWeight
from ptq_privacy.compression.grouped import begun, by_group
from ptq_privacy.compression.work import (
    Cost,
    NetworkCost,
    Work,
    eliminated,
    elimination_memory,
    held,
    prepared,
)
from ptq_privacy.graph.folding import reestimate
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.graph.walk import Walk

__all__ = ["compress", "quantize_rows", "work"]


def compress(
    model: nn.Module, inputs: Tensor, levels: Mapping[str, int], seed: int, *, damping: float
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """Quantize every layer; arguments and result as `compression.Method` has them."""

    def solve(weight: Tensor, second: Tensor, _: Tensor, grid: Grid) -> Tensor:
        return quantize_rows(weight, second.double(), grid, damping=damping)

    network, layers = begun(model, levels)
    for moments in Walk(model, None, inputs, seed).each_layer():
        layers[moments.name] = by_group(moments, levels[moments.name], solve)
        set_weight(network, moments.name, layers[moments.name].values)
    return reestimate(network, inputs), layers


def work(network: NetworkCost, images: int, device: str, *, damping: float) -> Cost:
    """Of one stream of activations, elimination in float64, and new statistics."""
    total = prepared(network, images, streams=1) + eliminated(network, 8, device)
    total += Work(single=images * network.flops)
    memory = held(network, images, streams=1) + elimination_memory(network, device)
    return Cost(total, memory)
