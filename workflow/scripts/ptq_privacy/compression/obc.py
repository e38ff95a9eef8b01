"""Optimal Brain Compression (Frantar and Alistarh 2022): each layer by greedy elimination.

How the layers of networks are gone through is in alone.py, how one of them is solved in
elimination.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from ptq_privacy.compression.alone import each_alone
from ptq_privacy.compression.elimination import quantize_layers, quantize_rows
from ptq_privacy.compression.grid import QuantizedWeight
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
    return each_alone(models, inputs, levels, seeds, partial(quantize_layers, damping=damping))


def work(network: NetworkCost, images: int, device: str, *, damping: float) -> Cost:
    """Of one stream of activations, elimination in float64, and new statistics."""
    total = prepared(network, images, streams=1) + eliminated(network, 8, device)
    total += Work(single=images * network.flops)
    memory = held(network, images, streams=1) + solved(network, 8)
    return Cost(total, memory, once=elimination_memory(network, device))
