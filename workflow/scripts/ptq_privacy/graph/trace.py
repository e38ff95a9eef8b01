"""A network as its torch.fx graph: the operations in the order in which they run, one by one.

The graph gives the order of the layers, what feeds what, and lets a method run any stretch of the
network with weights of its own. Tracing is also where a network that cannot be quantized is
refused.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized

WeightLayer = nn.Conv2d | nn.Linear
QUANTIZED = (nn.Conv2d, nn.Linear, nn.Embedding)
NORMALISATIONS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)


class _Tracer(fx.Tracer):
    """Goes into torch's own modules that hold others, such as nn.TransformerEncoderLayer."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = all(not list(child.parameters()) for child in m.children())
        return super().is_leaf_module(m, module_qualified_name) and whole


def evaluation_copy(model: nn.Module) -> nn.Module:
    """A float32 copy of a network in eval mode that shares nothing with it.

    Raises:
        ValueError: it cannot be copied, as with weights that a hook computes.
    """
    try:
        return copy.deepcopy(model).float().eval().requires_grad_(False)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"model: {type(model).__name__} cannot be copied: {reason}") from error


def trace(model: nn.Module) -> fx.Graph:
    """The network's operations in the order in which they run.

    Raises:
        ValueError: torch.fx cannot trace it, it takes more than one input, or it holds a weight
            that cannot be quantized: the layer is named.
    """
    check_layers(model)
    known = {*vars(model)}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its conditions no graph could hold
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # whatever the model's own forward makes of a proxy
        raise ValueError(f"model: torch.fx cannot trace {type(model).__name__}: {error}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    _keep_constants(graph, model, known)
    inputs = [n for n in graph.nodes if n.op == "placeholder" and not n.args]
    if len(inputs) != 1:
        raise ValueError(f"model: expected one input, the images, not {len(inputs)}")
    _check_calls(graph, dict(model.named_modules()))
    return graph


def _keep_constants(graph: fx.Graph, model: nn.Module, known: Collection[str]) -> None:
    """Tensors that the network makes of nothing but constants are the graph's, not the model's.

    torch.fx would leave them in the model as attributes, which its copies do not have.
    """
    made = {name: vars(model).pop(name) for name in [*vars(model)] if name not in known}
    for node in graph.nodes:
        if node.op == "get_attr" and node.target in made:
            node.meta["constant"] = made[node.target]


def check_layers(model: nn.Module) -> None:
    """See that each weight of a network can be quantized, or is a normalisation's.

    Raises:
        ValueError: one is computed, not finite or of another kind; names the layer.
    """
    for name, module in model.named_modules():
        if isinstance(module, QUANTIZED):
            if is_parametrized(module) or "weight" not in module._parameters:
                raise ValueError(f"layer {name!r}: its weight is computed; make it plain first")
            if not torch.isfinite(module.weight).all():
                raise ValueError(f"layer {name!r}: its weight has values that are not finite")
            if isinstance(module, nn.Embedding) and module.max_norm is not None:
                raise ValueError(f"layer {name!r}: max_norm changes its weight; allowed: without")
        elif not isinstance(module, NORMALISATIONS) and _is_weighted(module):
            raise ValueError(
                f"layer {name!r}: {type(module).__name__} cannot be quantized; allowed: Conv2d, "
                "Linear, Embedding and MultiheadAttention"
            )


def _is_weighted(module: nn.Module) -> bool:
    """Whether a module of torch itself holds a matrix or more; a user's own may hold constants."""
    parameters = module.parameters(recurse=False)
    return type(module).__module__.startswith("torch.nn") and any(p.ndim > 1 for p in parameters)


def _check_calls(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    seen = set()
    for node in graph.nodes:
        if is_weight_layer(node, modules):
            if node.target in seen:
                raise ValueError(f"layer {node.target!r}: it is called more than once")
            seen.add(node.target)


def is_weight_layer(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node of the graph is a convolution or a linear layer: a matrix product."""
    return node.op == "call_module" and isinstance(modules[str(node.target)], WeightLayer)


def quantized_layers(model: nn.Module) -> list[str]:
    """Paths of all layers that are quantized, embeddings too, in the order in which they run."""
    modules = dict(model.named_modules())
    calls = [str(node.target) for node in trace(model).nodes if node.op == "call_module"]
    return list(dict.fromkeys(name for name in calls if isinstance(modules[name], QUANTIZED)))


def weight_layer(model: nn.Module, name: str) -> WeightLayer:
    """A convolution or linear layer of a network, by its path."""
    layer = model.get_submodule(name)
    assert isinstance(layer, WeightLayer)
    return layer


@torch.no_grad()
def shapes(graph: fx.Graph, model: nn.Module, sample: Tensor) -> dict[fx.Node, torch.Size | None]:
    """The shape of each node's value on some inputs; None where it is not one tensor."""
    modules = dict(model.named_modules())
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        first = node.op == "placeholder" and not node.args
        values[node] = sample if first else execute(node, values, modules)
    return {n: v.shape if isinstance(v, Tensor) else None for n, v in values.items()}


def execute(
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    modules: Mapping[str, nn.Module],
    weights: Mapping[str, Tensor] | None = None,
) -> Any:
    """One node's value, given those of its arguments; `weights` stand in for layers' own."""
    if node.op == "placeholder":
        return node.args[0]
    if "constant" in node.meta:
        return node.meta["constant"]
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
