"""A layer of several networks as a whole: all on one grid, solved together or just rounded.

The rows of each network's layer stand below those of the network before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ptq_privacy.compression.grid import Grid, QuantizedWeight, nearest, search
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.graph.trace import evaluation_copy


def rounded(models: Sequence[nn.Module], name: str, levels: int) -> QuantizedWeight:
    """A layer's weights at the nearest points of the grids that suit them best, [out, d]."""
    weights = [model.get_parameter(f"{name}.weight").detach().flatten(1) for model in models]
    weight = torch.cat(weights)
    grid = search(weight, levels)
    return QuantizedWeight(nearest(weight, grid), grid)


def begun(
    full: Sequence[nn.Module], levels: Mapping[str, int]
) -> tuple[list[nn.Module], dict[str, QuantizedWeight]]:
    """Copies of networks whose embeddings are rounded, a grid a row, and their codes.

    An embedding picks rows, so each of its weights errs for itself, and nearest rounding on a given
    grid is the best that any method could find.
    """
    networks = [evaluation_copy(model) for model in full]
    embeddings = [n for n in levels if isinstance(full[0].get_submodule(n), nn.Embedding)]
    layers = {name: rounded(full, name, levels[name]) for name in embeddings}
    for name, layer in layers.items():
        set_weights(networks, name, layer)
    return networks, layers


def set_weights(networks: Sequence[nn.Module], name: str, layer: QuantizedWeight) -> None:
    """Give each network its own rows of a layer."""
    for network, own in zip(networks, layer.values.chunk(len(networks)), strict=True):
        set_weight(network, name, own)


def apart(
    networks: Sequence[nn.Module],
    layers: Mapping[str, QuantizedWeight],
    own: Sequence[Mapping[str, QuantizedWeight]] = (),
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Each network with its rows of all layers, and with layers that are its own already."""
    parts = {name: each(layer, len(networks)) for name, layer in layers.items()}
    return [
        (network, {name: part[n] for name, part in parts.items()} | dict(own[n] if own else {}))
        for n, network in enumerate(networks)
    ]


def each(layer: QuantizedWeight, count: int) -> list[QuantizedWeight]:
    """A layer of so many networks as one of each."""
    codes = layer.codes.chunk(count)
    scale, zero_point = layer.grid.scale.chunk(count), layer.grid.zero_point.chunk(count)
    return [
        QuantizedWeight(c.clone(), Grid(s.clone(), z.clone(), layer.grid.levels))
        for c, s, z in zip(codes, scale, zero_point, strict=True)
    ]
