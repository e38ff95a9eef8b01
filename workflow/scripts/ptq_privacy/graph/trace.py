"""A network as its torch.fx graph: the operations in the order in which they run, one by one.

The graph gives the order of the layers, what feeds what, and lets a method run any stretch of the
network with weights of its own. Tracing is also where a network that cannot be quantized is
refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

WeightLayer = nn.Conv2d | nn.Linear
NORMALISATIONS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
FUNCTIONAL = (F.conv1d, F.conv2d, F.conv3d, F.linear, F.conv_transpose2d, F.embedding, F.bilinear)


def evaluation_copy(model: nn.Module) -> nn.Module:
    """A float32 copy of a network in eval mode that shares nothing with it."""
    return copy.deepcopy(model).float().eval().requires_grad_(False)


def trace(model: nn.Module) -> fx.Graph:
    """The network's operations in the order in which they run.

    Raises:
        ValueError: torch.fx cannot trace it, it takes more than one input, or it holds a weight
            that cannot be quantized: the layer is named.
    """
    _check_layers(model)
    try:
        graph = fx.Tracer().trace(model)
    except Exception as error:  # whatever the model's own forward makes of a proxy
        raise ValueError(f"model: torch.fx cannot trace {type(model).__name__}: {error}") from error
    inputs = [n for n in graph.nodes if n.op == "placeholder" and not n.args]
    if len(inputs) != 1:
        raise ValueError(f"model: expected one input, the images, not {len(inputs)}")
    _check_calls(graph, dict(model.named_modules()))
    return graph


def _check_layers(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, WeightLayer):
            if is_parametrized(module):
                raise ValueError(f"layer {name!r}: its weight is parametrized; make it plain first")
            if not torch.isfinite(module.weight).all():
                raise ValueError(f"layer {name!r}: its weight has values that are not finite")
        elif not isinstance(module, NORMALISATIONS) and _is_weighted(module):
            raise ValueError(
                f"layer {name!r}: {type(module).__name__} cannot be quantized; allowed: Conv2d and "
                "Linear"
            )


def _is_weighted(module: nn.Module) -> bool:
    """Whether a module of torch itself holds a matrix or more; a user's own may hold constants."""
    parameters = module.parameters(recurse=False)
    return type(module).__module__.startswith("torch.nn") and any(p.ndim > 1 for p in parameters)


def _check_calls(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    seen = set()
    for node in graph.nodes:
        if node.op == "call_function" and node.target in FUNCTIONAL:
            raise ValueError(
                f"layer {node.name!r}: a weight used through {node.target.__name__}() cannot be "
                "quantized; allowed: Conv2d and Linear modules"
            )
        if is_weight_layer(node, modules):
            if node.target in seen:
                raise ValueError(f"layer {node.target!r}: it is called more than once")
            seen.add(node.target)


def is_weight_layer(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node of the graph is a convolution or a linear layer, which are quantized."""
    return node.op == "call_module" and isinstance(modules[str(node.target)], WeightLayer)


def weight_layer(model: nn.Module, name: str) -> WeightLayer:
    """A convolution or linear layer of a network, by its path."""
    layer = model.get_submodule(name)
    assert isinstance(layer, WeightLayer)
    return layer


def execute(
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    modules: Mapping[str, nn.Module],
    weights: Mapping[str, Tensor] | None = None,
) -> Any:
    """One node's value, given those of its arguments; `weights` stand in for layers' own."""
    if node.op == "placeholder":
        return node.args[0]
    if node.op == "get_attr":
        path, _, attribute = str(node.target).rpartition(".")
        return getattr(modules[path], attribute)
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "call_function":
        return node.target(*args, **kwargs)  # type: ignore[operator]
    if node.op == "call_method":
        # Channels-last activations cannot always be viewed in another shape, but can be reshaped.
        method = "reshape" if node.target == "view" else str(node.target)
        return getattr(args[0], method)(*args[1:], **kwargs)
    if node.op == "output":
        return args[0]
    module = modules[str(node.target)]
    if weights is None or node.target not in weights:
        return module(*args, **kwargs)
    x: Any = values[node.all_input_nodes[0]]
    if isinstance(module, nn.Linear):
        return F.linear(x, weights[str(node.target)], module.bias)
    assert isinstance(module, nn.Conv2d)
    return module._conv_forward(x, weights[str(node.target)], module.bias)  # with its padding mode
