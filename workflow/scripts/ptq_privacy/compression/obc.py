"""Optimal Brain Compression (Frantar and Alistarh 2022): each layer by greedy elimination.

Every layer is solved alone, on the full-precision network's inputs. Batch normalisation stays and
gets new statistics afterwards, which undoes the shift that rounding caused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ptq_privacy.compression.elimination import quantize_layers, quantize_rows
from ptq_privacy.compression.grid import QuantizedWeight, search
from ptq_privacy.compression.grouped import apart, begun, set_weights
from ptq_privacy.compression.work import (
    Cost,
    NetworkCost,
    Work,
    eliminated,
    elimination_memory,
    held,
    prepared,
    solved,
)
from ptq_privacy.graph.folding import reestimate_all
from ptq_privacy.graph.lockstep import Lockstep

__all__ = ["compress", "quantize_rows", "work"]


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    *,
    damping: float,
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Quantize every layer; arguments and result as `compression.Together` has them."""
    networks, layers = begun(models, levels)
    for moments in Lockstep(models, None, inputs, seeds).each_layer():
        grid = search(moments.weight.flatten(0, 1), levels[moments.name])
        codes = quantize_layers(moments.weight, moments.second, grid, damping=damping)
        layers[moments.name] = QuantizedWeight(codes.flatten(0, 1), grid)
        set_weights(networks, moments.name, layers[moments.name])
    return apart(reestimate_all(networks, inputs), layers)


def work(network: NetworkCost, images: int, device: str, *, damping: float) -> Cost:
    """Of one stream of activations, elimination in float64, and new statistics."""
    total = prepared(network, images, streams=1) + eliminated(network, 8, device)
    total += Work(single=images * network.flops)
    memory = held(network, images, streams=1) + solved(network, 8)
    return Cost(total, memory, once=elimination_memory(network, device))
