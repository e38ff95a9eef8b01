"""AdaRound (Nagel et al. 2020): layer by layer, each on what the quantized ones before it output.

Batch normalisation is folded first. `layerwise` learns one layer's roundings; the published
procedure, on minibatches of images, is block reconstruction with single layers for blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, fx, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import apart, begun, rounded
from ptq_privacy.compression.layerwise import quantize_activated, quantize_layer, quantize_rows
from ptq_privacy.compression.reconstruction import check_minibatch, reconstruct
from ptq_privacy.compression.rounding import Schedule
from ptq_privacy.compression.work import (
    Cost,
    NetworkCost,
    held,
    learned_layers,
    minibatches,
    prepared,
    sampled,
    solved,
)
from ptq_privacy.graph.blocks import find_blocks
from ptq_privacy.graph.folding import fold_all
from ptq_privacy.graph.lockstep import Lockstep

__all__ = ["compress", "quantize_activated", "quantize_layer", "quantize_rows", "work"]


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    *,
    solver: str,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Quantize every layer; arguments and result as `compression.Together` has them."""
    full = fold_all(models, inputs[0][:2])
    networks, layers = begun(full, levels)
    walk = Lockstep(full, networks, inputs, seeds)
    if solver == "reference":
        check_minibatch(inputs[0], "adaround", batch)

        def start(node: fx.Node) -> QuantizedWeight:
            return rounded(full, walk.layers[node], levels[walk.layers[node]])

        found = reconstruct(
            walk,
            find_blocks(walk.walks[0], single_layers=True),
            start,
            margin=None,
            schedule=Schedule(iterations, learning_rate, batch),
        )
        return apart(networks, layers, found)
    for node in walk.each_node():
        name = walk.layers[node]
        layers[name] = quantize_layer(walk, node, levels[name], iterations, learning_rate)
        walk.set_weight(name, layers[name].values)
    return apart(networks, layers)


def work(
    network: NetworkCost,
    images: int,
    device: str,
    *,
    solver: str,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> Cost:
    """Of two streams of activations, and of learning."""
    total = prepared(network, images, streams=2)
    if solver == "reference":
        total += minibatches(network, iterations, batch)
    else:
        total += learned_layers(network, iterations, images, device)
    memory = held(network, images, streams=2) + sampled(network, images) + solved(network, 4)
    return Cost(total, memory, folded=True)
