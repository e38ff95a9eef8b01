"""What a network costs: operations, parameters, activations and bytes, counted on the real one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ptq_privacy.compression import packing
from ptq_privacy.compression.work import Layer, NetworkCost
from ptq_privacy.graph.attention import taken_apart
from ptq_privacy.graph.blocks import activation_of
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.trace import QUANTIZED, is_weight_layer, trace
from ptq_privacy.networks.factories import Factory
from ptq_privacy.study.variants import Variant, levels

HEADER = 95  # bytes of a safetensors file's header that name a tensor, its type, shape and place


def measure(factory: Factory, operations: bool = True) -> NetworkCost:
    """Count on the real network, its attention taken apart, with samples without content.

    Args:
        operations: whether to count a pass's too.
    """
    empty = torch.zeros(2, *factory.inputs)
    network = taken_apart(factory.build().eval(), empty)
    folded = fold(network, empty)
    other = {"trained": _beside_weights(network), "folded": _beside_weights(folded)}
    activated = _activated(folded)
    layers: list[Layer] = []
    put_out: list[int] = []

    def record(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            put_out.append(output.numel())
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                layers.append(_layer(name, module, inputs[0], output, name in activated))

        module.register_forward_hook(hook)

    # Without content a pass costs nothing, but torch imports its compiler for it.
    device = torch.device("meta" if operations else "cpu")
    network = network.to(device)
    for name, module in network.named_modules():
        if not list(module.children()):
            record(name, module)
    one = torch.zeros(1, *factory.inputs, device=device)
    with torch.no_grad():
        flops = _operations(network, one) if operations else 0
        if not operations:
            network(one)
    return NetworkCost(
        flops=flops,
        activations=sum(put_out),
        operations=len(put_out),
        layers=tuple(layers),
        state_bytes=_bytes(network.state_dict()),
        other_bytes={kind: _bytes(state) for kind, state in other.items()},
        other_tensors={kind: len(state) for kind, state in other.items()},
        embeddings=tuple(
            (module.num_embeddings, module.embedding_dim)
            for module in network.modules()
            if isinstance(module, nn.Embedding)
        ),
    )


def _operations(network: nn.Module, sample: Tensor) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(sample)
    return counter.get_total_flops()


def checkpoint_bytes(network: NetworkCost, variant: Variant, folded: bool = False) -> int:
    """What one model takes in a checkpoint shard, as compression/packing.py lays it out.

    Args:
        folded: whether normalisation is folded into convolutions.
    """
    kind = "folded" if folded else "trained"
    quantized = len(network.layers) + len(network.embeddings)
    if variant.bits is None:
        return network.state_bytes + (network.other_tensors[kind] + quantized) * HEADER
    total = network.other_bytes[kind] + (network.other_tensors[kind] + 4 * quantized) * HEADER
    total += sum(_packed(rows, width, variant.bits) for rows, width in network.embeddings)
    *body, last = network.layers
    total += sum(_packed(layer.groups * layer.out, layer.d, variant.bits) for layer in body)
    if variant.activation_bits is not None:  # scale, zero point and levels of each input
        total += len(network.layers) * (3 * HEADER + 4 + 1 + 4)
    head = variant.bits if variant.head_bits is None else variant.head_bits
    return total + _packed(last.groups * last.out, last.d, head)


def _packed(rows: int, columns: int, bits: float) -> int:
    """Bytes of codes, each row's scale and zero point, and the layout."""
    codes = -(-columns // packing.digits_per_byte(levels(bits)))
    return rows * (codes + 4 + 1) + 4 * 5


def _activated(folded: nn.Module) -> set[str]:
    modules = dict(folded.named_modules())
    layers = [node for node in trace(folded).nodes if is_weight_layer(node, modules)]
    return {str(node.target) for node in layers if activation_of(node, modules) is not None}


def _layer(
    name: str, module: nn.Conv2d | nn.Linear, x: Tensor, y: Tensor, activated: bool
) -> Layer:
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    out, d = module.weight.shape[0] // groups, module.weight[0].numel()
    positions = y[0].numel() // module.weight.shape[0]
    return Layer(name, groups, out, d, positions, x.numel() + y.numel(), activated)


def _bytes(state: Mapping[str, Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in state.values())


def _beside_weights(network: nn.Module) -> dict[str, Tensor]:
    weights = {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, QUANTIZED)
    }
    return {k: v for k, v in network.state_dict().items() if k not in weights}
