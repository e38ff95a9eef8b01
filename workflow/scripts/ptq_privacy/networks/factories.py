"""Making a network: the function that a fragment or a config names, called for a data set.

It is called with `classes`, with what its samples' kind has it told (`channels` of images,
`features` of rows, `vocabulary` and `length` of tokens) and with its settings. It returns a network
with fresh random weights that turns normalised samples float32 [N, ...] into logits [N, classes].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ptq_privacy.study import references


@dataclass(frozen=True)
class Factory:
    """All that makes a network of some shape again: what a checkpoint keeps.

    function: `module:function`; settings: its keywords.
    classes: of the data set; inputs: the shape of one sample, [channels, height, width] of images.
    sizes: more keywords, which the samples' kind gives.
    """

    function: str
    settings: Mapping[str, Any]
    classes: int
    inputs: tuple[int, ...]
    sizes: Mapping[str, int]

    def build(self) -> nn.Module:
        """A network with fresh random weights.

        Raises:
            ValueError: as `build`.
        """
        return build(self.function, self.classes, self.sizes, self.settings)


def build(
    function: str,
    classes: int,
    sizes: Mapping[str, int],
    settings: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The network that a function makes.

    Args:
        function: `module:function`.
        classes: logits of each sample.
        sizes: what the function is told of the samples, such as channels.
        settings: more keywords.

    Raises:
        ValueError: module or function cannot be had, or it makes no network; names it.
    """
    found = references.find(function, "networks")
    known = {"classes": classes, **sizes, **(settings or {})}
    try:
        network = found(**known)
    except Exception as error:  # whatever the user's code does
        told = ", ".join(f"{key}={value!r}" for key, value in known.items())
        raise ValueError(
            f"networks: {function}({told}) failed: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"networks: {function} returns a {type(network).__name__}; allowed: torch.nn.Module"
        )
    return network
