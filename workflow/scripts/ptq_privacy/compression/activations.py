"""Quantized activations: what goes into each convolution and linear layer, on a grid of its own.

One uniform grid for the whole tensor, asymmetric, its range searched for the least L2.4 error on
what the layer is fed on the calibration samples, once the layers before it are quantized. Weights
are then calibrated on such inputs. The network's own input and that of the last layer have 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, fx, nn

from ptq_privacy.compression.quantized_inputs import QuantizedInput
from ptq_privacy.graph import inputs
from ptq_privacy.graph.trace import QUANTIZED, is_weight_layer, trace
from ptq_privacy.graph.walk import Walk
from ptq_privacy.study.variants import levels

EDGE_BITS = 8.0  # of the network's own input and of the last layer's, as QDrop has them


def input_levels(network: nn.Module, bits: float) -> dict[str, int]:
    """The levels of each convolution's and linear layer's input, by the layer's name.

    Args:
        network: its attention taken apart.
        bits: of all but the network's own input and the last layer's.
    """
    graph, modules = trace(network), dict(network.named_modules())
    fed: set[fx.Node] = set()  # what comes out of a layer that is quantized, and what that feeds
    found: dict[str, int] = {}
    for node in graph.nodes:
        inside = any(value in fed for value in node.all_input_nodes)
        if is_weight_layer(node, modules):
            found[str(node.target)] = levels(bits if inside else EDGE_BITS)
        quantized = node.op == "call_module" and isinstance(modules[str(node.target)], QUANTIZED)
        if inside or quantized:
            fed.add(node)
    return found | {[*found][-1]: levels(EDGE_BITS)}


def prepare(network: nn.Module, counts: Mapping[str, int]) -> None:
    """Give layers inputs of so many levels, whose grids are still to be found."""
    for name, count in counts.items():
        inputs.put(network.get_submodule(name), QuantizedInput(count))


def settle(networks: Sequence[nn.Module], samples: Sequence[Tensor], seeds: Sequence[int]) -> None:
    """Find the grids that quantizing the weights has left open, layer by layer."""
    like = None
    for network, own, seed in zip(networks, samples, seeds, strict=True):
        if all(form.settled for form in inputs.forms(network).values()):
            continue
        walk = Walk(network, None, own, seed, like=like)
        like = like or walk
        for node in walk.nodes:
            walk.run(node)
            walk.free(node)
