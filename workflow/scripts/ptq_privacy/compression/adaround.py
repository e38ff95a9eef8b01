"""AdaRound (Nagel et al. 2020): layer by layer, each on what the quantized ones before it output.

Batch normalisation is folded first. `layerwise` learns one layer's roundings; the published
procedure, on minibatches of images, is block reconstruction with single layers for blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, fx, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import begun, rounded
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
)
from ptq_privacy.graph.blocks import find_blocks
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.walk import Walk

__all__ = ["compress", "quantize_activated", "quantize_layer", "quantize_rows", "work"]


def compress(
    model: nn.Module,
    inputs: Tensor,
    levels: Mapping[str, int],
    seed: int,
    *,
    solver: str,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """Quantize every layer; arguments and result as `compression.Method` has them."""
    full = fold(model, inputs[:2])
    network, layers = begun(full, levels)
    walk = Walk(full, network, inputs, seed)
    if solver == "reference":
        check_minibatch(inputs, "adaround", batch)

        def start(node: fx.Node) -> QuantizedWeight:
            return rounded(full, walk.layers[node], levels[walk.layers[node]])

        layers |= reconstruct(
            walk,
            find_blocks(walk, single_layers=True),
            start,
            margin=None,
            schedule=Schedule(iterations, learning_rate, batch),
        )
        return network, layers
    for node in walk.each_node():
        name = walk.layers[node]
        layers[name] = quantize_layer(walk, node, levels[name], iterations, learning_rate)
        walk.set_weight(name, layers[name].values)
    return network, layers


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
    return Cost(total, memory=held(network, images, streams=2), folded=True)
