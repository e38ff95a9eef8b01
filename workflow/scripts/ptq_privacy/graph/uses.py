"""What becomes of each parameter when a network runs: no weight is left out without a word.

A weight can hide from the graph: passed to a function, multiplied by hand, kept in a module of
another kind. So a network is watched while it runs on a few samples. A parameter that enters a
matrix product or a convolution outside of the layers that are quantized is refused by name; one
that is only indexed, added or multiplied value by value stays in float32, and is counted as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ptq_privacy.graph.trace import QUANTIZED, quantized_layers

ALL, FIRST_TWO, FIRST_THREE, AFTER_ADDED = slice(None), slice(2), slice(3), slice(1, 3)
PRODUCTS = {
    **dict.fromkeys(["mm", "bmm", "mv", "dot", "vdot", "_scaled_mm", "_int_mm"], FIRST_TWO),
    **dict.fromkeys(["linear", "mkldnn_linear", "_cdist_forward", "_euclidean_dist"], FIRST_TWO),
    **dict.fromkeys(["addmm", "addbmm", "baddbmm", "addmv", "_addmm_activation"], AFTER_ADDED),
    **dict.fromkeys(
        ["convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution"], FIRST_TWO
    ),
    **dict.fromkeys(
        [
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
        ],
        FIRST_THREE,
    ),
    **dict.fromkeys(
        [
            "_trilinear",
            "_native_multi_head_attention",
            "_transformer_encoder_layer_fwd",
            "mkldnn_rnn_layer",
            "_cudnn_rnn",
            "linalg_solve_ex",
        ],
        ALL,
    ),
}
"""torch's operations in which all values of a vector meet, by the names under which they run, and
which of their arguments are multiplied."""


class _Watch(TorchDispatchMode):
    """Follows what is computed of parameters alone into matrix products.

    inside: whether a layer that is quantized is at work: its weight belongs there.
    found: parameters that entered a product elsewhere, each with the operation.
    """

    def __init__(self, names: Mapping[int, str], sample: Tensor) -> None:
        super().__init__()
        self.names = names
        self.inside = 0
        self.found: dict[str, str] = {}
        self.made_of: dict[int, frozenset[str]] = {}
        self.fed = {id(sample)}
        self.held: list[Tensor] = [sample]  # an id is of one tensor only as long as that lives

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: to make sure of that, torch would import its compiler."""
        return False

    def parameters_in(self, value: Tensor) -> frozenset[str]:
        """The parameters of which, and of nothing that was fed in, a value was computed."""
        if id(value) in self.names:
            return frozenset([self.names[id(value)]])
        return self.made_of.get(id(value), frozenset())

    def feed(self, value: Any) -> None:
        """What came out of a layer is an activation, whatever went in."""
        for tensor in _tensors(value):
            self.fed.add(id(tensor))
            self.made_of.pop(id(tensor), None)
            self.held.append(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = _tensors((args, kwargs))
        operation = func.overloadpacket.__name__
        if not self.inside and operation in PRODUCTS:
            for value in _tensors(args[PRODUCTS[operation]]):
                for name in self.parameters_in(value):
                    self.found.setdefault(name, operation)
        made_of = frozenset[str]().union(*map(self.parameters_in, given))
        fed = any(id(value) in self.fed for value in given)
        for tensor in _tensors(result):
            self.held.append(tensor)
            if fed:
                self.fed.add(id(tensor))
                self.made_of.pop(id(tensor), None)
            elif made_of:
                self.made_of[id(tensor)] = made_of
        return result


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_iter(values) if isinstance(value, Tensor)]


@torch.no_grad()
def check_uses(network: nn.Module, sample: Tensor) -> None:
    """See that every parameter that enters a matrix product is a layer's that is quantized.

    Args:
        network: in eval mode, its attention taken apart.
        sample: a few inputs as it takes them.

    Raises:
        ValueError: one is not, is shared by two layers, or its layer is never called; names it.
    """
    called = quantized_layers(network)
    _check_shared(network, called)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    watch = _Watch(names, sample)

    def enter(module: nn.Module, inputs: Any) -> None:
        watch.inside += 1

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        watch.inside -= 1
        watch.feed(output)

    hooks = []
    for name in called:
        layer = network.get_submodule(name)
        hooks += [layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave)]
    try:
        with watch:
            network(sample)
    finally:
        for hook in hooks:
            hook.remove()
    for name, operation in watch.found.items():
        raise ValueError(
            f"parameter {name!r}: it enters a matrix product ({operation}) outside of a layer's "
            f"own call, so it would stay in float32; allowed: the weights of {ALLOWED}"
        )
    for name, module in network.named_modules():
        if isinstance(module, QUANTIZED) and name not in called:
            raise ValueError(
                f"layer {name!r}: it is never called, so it cannot be quantized and would be "
                "stored in float32; take it out of the network"
            )


ALLOWED = "Conv2d, Linear, Embedding and MultiheadAttention modules that are called as such"


def _check_shared(network: nn.Module, called: Sequence[str]) -> None:
    """Two layers of one weight cannot have two grids."""
    owners: dict[int, str] = {}
    modules = dict(network.named_modules(remove_duplicate=False))
    for name, parameter in network.named_parameters(remove_duplicate=False):
        other = owners.setdefault(parameter.data_ptr() or id(parameter), name)
        paths = [text.rpartition(".")[0] for text in (name, other)]
        if modules[paths[0]] is not modules[paths[1]] and {*paths} & {*called}:
            raise ValueError(
                f"parameters {other!r} and {name!r} are one, so their layers cannot have a grid "
                "each; allowed: a weight of its own for each layer"
            )
