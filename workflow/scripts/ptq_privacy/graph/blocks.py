"""What belongs together in a network's graph: blocks of layers, and the activation after one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ptq_privacy.graph.trace import WeightLayer, execute
from ptq_privacy.graph.walk import Walk

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid,
    nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Mish,
)  # fmt: skip
ABSORBED = (*ACTIVATIONS, nn.PReLU, _BatchNorm, nn.Identity)
ABSORBED_FUNCTIONS = (
    F.relu, F.relu_, torch.relu, torch.relu_, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu,
    F.hardswish, torch.sigmoid, torch.tanh, F.mish, F.softplus,
)  # fmt: skip
ABSORBED_METHODS = ("relu", "relu_", "sigmoid", "tanh")


@dataclass(frozen=True)
class Block:
    """Consecutive operations whose weights are rounded together.

    name: path of the module that they belong to.
    nodes: the operations in order; layers: the convolutions and linear layers among them.
    inputs: the operations outside whose values they use.
    output: the one whose value is used outside.
    """

    name: str
    nodes: tuple[fx.Node, ...]
    layers: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    output: fx.Node


def find_blocks(walk: Walk, single_layers: bool = False) -> list[Block]:
    """The blocks of a network, in graph order.

    A block is the outermost module that holds a weight layer and is neither the network itself, nor
    a container, nor a stage: a module that holds a container of several alike, such as an encoder
    of its encoder layers. So layers that stand in containers only (first convolution, transition,
    classifier) are blocks of their own. A normalisation or activation that alone uses a block's
    output belongs to it. A module with several outputs is taken layer by layer.

    Args:
        walk: over the network.
        single_layers: make each layer a block, as AdaRound does.
    """
    blocks: dict[str, Block] = {}
    for node, path in walk.layers.items():
        outer = path if single_layers else _outermost(node, walk.full.modules)
        if outer in blocks or any(node in block.layers for block in blocks.values()):
            continue
        nodes = [n for n in walk.nodes if outer in _paths(n)] if outer != path else [node]
        if len(_outputs(nodes)) != 1:
            outer, nodes = path, [node]
        blocks[outer] = _block(walk, outer, nodes)
    return list(blocks.values())


def _paths(node: fx.Node) -> list[str]:
    """The modules whose forward called an operation, outermost first."""
    return [path for path, _ in node.meta.get("nn_module_stack", {}).values() if path]


def _outermost(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    paths = [path for path in _paths(node) if not isinstance(modules[path], CONTAINERS)]
    return next(path for path in paths if not _is_stage(modules[path]))


def _is_stage(module: nn.Module) -> bool:
    """Whether somewhere in a module a container repeats another, of several layers."""
    for container in module.modules():
        if isinstance(container, CONTAINERS):
            kinds = [
                type(child)
                for child in container.children()
                if not isinstance(child, CONTAINERS)
                and sum(isinstance(m, WeightLayer) for m in child.modules()) > 1
            ]
            if len(set(kinds)) < len(kinds):
                return True
    return False


def _outputs(nodes: list[fx.Node]) -> list[fx.Node]:
    return [node for node in nodes if any(user not in nodes for user in node.users)]


def _block(walk: Walk, name: str, nodes: list[fx.Node]) -> Block:
    (output,) = _outputs(nodes)
    after = _absorbed(output, walk.full.modules)
    within = {*nodes, *after}
    inputs: list[fx.Node] = []
    sought = [value for node in (*nodes, *after) for value in node.all_input_nodes]
    while sought:  # sizes and constants are worked out inside, for each minibatch anew
        value = sought.pop(0)
        if value in within or value in inputs:
            continue
        if value.op == "get_attr" or walk.shapes[value] is None:
            within.add(value)
            sought += value.all_input_nodes
        else:
            inputs.append(value)
    return Block(
        name=name,
        nodes=tuple(node for node in walk.nodes if node in within),
        layers=tuple(node for node in nodes if node in walk.layers),
        inputs=tuple(inputs),
        output=[output, *after][-1],
    )


def _absorbed(value: fx.Node, modules: Mapping[str, nn.Module]) -> list[fx.Node]:
    """The normalisations and activations that a value alone goes through next, in order."""
    after: list[fx.Node] = []
    while len(value.users) == 1 and _is_absorbed(user := next(iter(value.users)), modules):
        after.append(user)
        value = user
    return after


def _is_absorbed(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], ABSORBED)
    if node.op == "call_function":
        return node.target in ABSORBED_FUNCTIONS
    return node.op == "call_method" and node.target in ABSORBED_METHODS


def activation_of(
    layer: fx.Node, modules: Mapping[str, nn.Module]
) -> Callable[[Tensor], Tensor] | None:
    """The function that a layer's output alone goes through, value by value; None if it does not.

    It is None too if the output has another use, or is normalised first. `modules` are the
    network's, by path.
    """
    after = _absorbed(layer, modules)
    kinds = [modules[str(n.target)] for n in after if n.op == "call_module"]
    if any(isinstance(module, (nn.PReLU, _BatchNorm)) for module in kinds):
        return None
    if all(isinstance(module, nn.Identity) for module in kinds) and len(kinds) == len(after):
        return None

    def activation(z: Tensor) -> Tensor:
        values = {layer: z.clone()}  # activations may work in place
        for node in after:
            values[node] = execute(node, values, modules)
        return values[after[-1]]

    return activation
