"""Layers solved each alone, on what the full-precision network feeds it, as OBC and GPTQ do.

Nothing that a layer's quantization does reaches another one's. Batch normalisation stays and gets
new statistics afterwards, which undoes the shift that rounding caused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from ptq_privacy.compression.grid import Grid, QuantizedWeight, search
from ptq_privacy.compression.grouped import apart, begun, set_weights
from ptq_privacy.graph.folding import reestimate_all
from ptq_privacy.graph.lockstep import Lockstep


def each_alone(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    solve: Callable[[Tensor, Tensor, Grid], Tensor],
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Quantize every layer; arguments and result otherwise as `compression.Together` has them.

    Args:
        solve: codes [layers, out, d] of a layer in all models: its weight [layers, out, d], the
            second moment of its inputs [layers, d, d] and the grid of all channels.
    """
    networks, layers = begun(models, levels)
    for moments in Lockstep(models, None, inputs, seeds).each_layer():
        grid = search(moments.weight.flatten(0, 1), levels[moments.name])
        codes = solve(moments.weight, moments.second, grid)
        layers[moments.name] = QuantizedWeight(codes.flatten(0, 1), grid)
        set_weights(networks, moments.name, layers[moments.name])
    return apart(reestimate_all(networks, inputs), layers)
