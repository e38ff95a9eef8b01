"""A layer's groups, solved one after the other on one grid."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ptq_privacy.compression.grid import Grid, QuantizedWeight, search
from ptq_privacy.graph.layers import Moments


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
