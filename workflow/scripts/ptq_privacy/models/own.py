"""Networks by import path: `package.module:factory`, from the folder in which Snakemake runs.

The factory is called as `factory(classes=..., channels=...)` and returns a network with fresh
random weights that turns images float32 [N, channels, H, W] into logits [N, classes].
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn


def build(factory: str, classes: int, channels: int) -> nn.Module:
    """The network that a factory makes.

    Raises:
        ValueError: module or factory cannot be had, or the factory makes no network; names it.
    """
    function = _factory(factory)
    try:
        network = function(classes=classes, channels=channels)
    except Exception as error:  # whatever the user's code does
        raise ValueError(
            f"architectures: {factory}(classes={classes}, channels={channels}) failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"architectures: {factory} returns a {type(network).__name__}; allowed: torch.nn.Module"
        )
    return network


def _factory(path: str) -> Callable[..., object]:
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ValueError(
            f"architectures: module {module_name!r} of {path!r} cannot be imported from {here}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not Path(module.__file__ or "").is_relative_to(here):
        raise ValueError(
            f"architectures: {path!r}: a module {module_name!r} is installed already, at "
            f"{module.__file__}; rename your own"
        )
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"architectures: {module.__file__} has no function {name!r}")
    return function
