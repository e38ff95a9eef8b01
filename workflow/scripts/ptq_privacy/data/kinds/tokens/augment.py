"""Texts are trained on as they are: no change of a word is known to keep its text's class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def augmented(tokens: Tensor) -> Callable[[Tensor, torch.Generator], Tensor]:
    """What draws a batch [B, length] of given samples, int64 [B], out of tokens [N, length]."""

    def draw(chosen: Tensor, generator: torch.Generator) -> Tensor:
        return tokens[chosen]

    return draw
