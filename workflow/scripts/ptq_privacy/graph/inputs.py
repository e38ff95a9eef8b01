"""What a layer's input is turned into before the layer sees it: where activations are quantized.

A form is kept with its layer and called before it whenever the layer is, so whoever runs a network
of such layers, in a walk or as a whole, need not know of it; a graph does not show it. A copy of a
network has forms of its own. A form settles, once, on what it makes of values; until then it
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Form(Protocol):
    """What is put before a layer."""

    @property
    def settled(self) -> bool: ...

    def settle(self, values: Sequence[Tensor], generator: torch.Generator) -> None:
        """Look at what goes into the layer on the calibration samples, a chunk at a time."""

    def __call__(self, x: Tensor) -> Tensor: ...


class _Before:
    """A layer's forward pre-hook, which a copy of the layer copies too."""

    def __init__(self, form: Form) -> None:
        self.form = form

    def __call__(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (self.form(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "input": self.form(kwargs["input"])}


def put(layer: nn.Module, form: Form) -> None:
    """Give a layer, which has none, a form of its input."""
    layer.register_forward_pre_hook(_Before(form), with_kwargs=True)


def form_of(layer: nn.Module) -> Form | None:
    """The form of a layer's input, if it has one."""
    hooks = layer._forward_pre_hooks.values()
    return next((hook.form for hook in hooks if isinstance(hook, _Before)), None)


def forms(network: nn.Module) -> dict[str, Form]:
    """Every layer's form by the layer's path, in the network's order."""
    found = {name: form_of(module) for name, module in network.named_modules()}
    return {name: form for name, form in found.items() if form is not None}


def remove(network: nn.Module) -> None:
    """Take every layer's form from it."""
    for module in network.modules():
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, _Before):
                del module._forward_pre_hooks[key]
                module._forward_pre_hooks_with_kwargs.pop(key, None)
