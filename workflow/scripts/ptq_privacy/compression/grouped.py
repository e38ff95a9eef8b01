"""A layer as a whole: its groups on one grid, solved one after the other or just rounded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import Grid, QuantizedWeight, nearest, search
from ptq_privacy.graph.layers import Moments, unfold_weight
from ptq_privacy.graph.trace import weight_layer


def by_group(
    moments: Moments, levels: int, solve: Callable[[Tensor, Tensor, Tensor, Grid], Tensor]
) -> QuantizedWeight:
    """Search one layer's grid, and solve its groups one after the other.

    Args:
        moments: of the layer.
        levels: codes on its grid.
        solve: from a group's weight [out, d], second moment [d, d], cross moment [out, d] and grid
            to codes [out, d].
    """
    grid = search(moments.weight.flatten(0, 1), levels)
    groups, rows, _ = moments.weight.shape
    codes = [
        solve(
            moments.weight[group],
            moments.second[group],
            moments.cross[group],
            grid.rows(slice(group * rows, (group + 1) * rows)),
        )
        for group in range(groups)
    ]
    return QuantizedWeight(torch.cat(codes), grid)


def rounded(model: nn.Module, name: str, levels: int) -> QuantizedWeight:
    """A layer's weight rounded to the nearest points of the grid that suits it best, [out, d]."""
    weight = unfold_weight(weight_layer(model, name)).flatten(0, 1)
    grid = search(weight, levels)
    return QuantizedWeight(nearest(weight, grid), grid)
