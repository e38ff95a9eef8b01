"""A layer as a whole: its groups on one grid, solved one after the other or just rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import Grid, QuantizedWeight, nearest, search
from ptq_privacy.graph.layers import Moments, set_weight
from ptq_privacy.graph.trace import evaluation_copy


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
    weight = model.get_parameter(f"{name}.weight").detach().flatten(1)
    grid = search(weight, levels)
    return QuantizedWeight(nearest(weight, grid), grid)


def begun(
    full: nn.Module, levels: Mapping[str, int]
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """A copy of a network whose embeddings are rounded, a grid a row, and their codes.

    An embedding picks rows, so each of its weights errs for itself, and nearest rounding on a given
    grid is the best that any method could find.
    """
    network = evaluation_copy(full)
    embeddings = [name for name in levels if isinstance(network.get_submodule(name), nn.Embedding)]
    layers = {name: rounded(full, name, levels[name]) for name in embeddings}
    for name, layer in layers.items():
        set_weight(network, name, layer.values)
    return network, layers
