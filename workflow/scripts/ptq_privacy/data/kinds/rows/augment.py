"""Rows are trained on as they are: no change of a feature is known to keep its row's class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def augmented(rows: Tensor) -> Callable[[Tensor, torch.Generator], Tensor]:
    """What draws a batch [B, features] of given samples, int64 [B], out of rows [N, features]."""

    def draw(chosen: Tensor, generator: torch.Generator) -> Tensor:
        return rows[chosen]

    return draw
