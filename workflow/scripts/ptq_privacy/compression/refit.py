"""Refit: this project's own method, made for three levels.

The published methods choose codes on a grid that the weights alone have set. Here the grid is part
of the fit, and so is the bias. A free bias takes up mean outputs, so weights are fitted to what
varies (moments about the mean). The least-squares weight for the quantized network's inputs then
goes to the whole grid: by greedy elimination, which accounts for the inputs' correlations.
Coordinate descent over all codes and a closed-form refit of each channel's scale then take turns
until neither helps. Once all layers are done, distillation.py moves scales and biases together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ptq_privacy.compression import elimination
from ptq_privacy.compression.descent import checked_moments, coordinate_descent, objective
from ptq_privacy.compression.distillation import distil
from ptq_privacy.compression.grid import Grid, QuantizedWeight, dequantize, nearest, search
from ptq_privacy.compression.grouped import begun
from ptq_privacy.compression.reconstruction import check_minibatch
from ptq_privacy.compression.work import (
    Cost,
    NetworkCost,
    eliminated,
    elimination_memory,
    held,
    minibatches,
    polished,
    prepared,
)
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.layers import Moments
from ptq_privacy.graph.walk import Walk

RIDGE = 1e-2  # of the mean diagonal: pulls to the full-precision weight where inputs say little
ROUNDING = 512  # times a float's precision: what is left of constants about their mean
POLISH = 10  # descents and refits in turn, which mostly settle sooner


def compress(
    model: nn.Module,
    inputs: Tensor,
    levels: Mapping[str, int],
    seed: int,
    *,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
    """Fit every layer, then distil; arguments and result as `compression.Method` has them."""
    if iterations:
        check_minibatch(inputs, "refit", batch)
    full = fold(model, inputs[:2])
    network, layers = begun(full, levels)
    walk = Walk(full, network, inputs, seed)
    for moments in walk.each_layer():
        layer = network.get_submodule(moments.name)
        layers[moments.name] = _fit_layer(moments, levels[moments.name], layer)
        walk.set_weight(moments.name, layers[moments.name].values)
    if iterations:
        layers = distil(full, network, layers, inputs, iterations, learning_rate, batch, seed)
    return network, layers


def _fit_layer(moments: Moments, levels: int, layer: nn.Module) -> QuantizedWeight:
    """Fit one layer, group by group, and correct its bias in place if it has one."""
    grid = search(moments.weight.flatten(0, 1), levels)
    groups, rows, _ = moments.weight.shape
    fitted, shifts = [], []
    for group in range(groups):
        second, cross = moments.second[group], moments.cross[group]
        means = moments.input_mean[group], moments.output_mean[group]
        if layer.bias is not None:
            second, cross = centred(second, cross, *means)
        part = grid.rows(slice(group * rows, (group + 1) * rows))
        fitted.append(quantize_rows(moments.weight[group], second, cross, part))
        shifts.append(bias_correction(*fitted[-1], *means))
    if isinstance(layer.bias, Tensor):
        with torch.no_grad():
            layer.bias.add_(torch.cat(shifts))
    scale = torch.cat([part.scale for _, part in fitted])
    return QuantizedWeight(torch.cat([codes for codes, _ in fitted]), replace(grid, scale=scale))


def quantize_rows(
    weight: Tensor,
    second_moment: Tensor,
    cross_moment: Tensor,
    grid: Grid,
) -> tuple[Tensor, Grid]:
    """Fit codes and scales together to the layer's outputs.

    Coordinate descent and the scale refit take turns from nearest rounding; and once more, at the
    scales so found, from elimination of the ridge-regression weight (T + r W) (H + r I)^-1. A row
    keeps which of the two has the less output error.

    Args:
        weight: full-precision weight, [out, d].
        second_moment: H = E[x x^T] of the quantized network's inputs, [d, d]; see `centred`.
        cross_moment: T = E[y x^T], y the full-precision output without bias, [out, d].
        grid: to start from; its zero points and levels stay.

    Returns:
        Codes, uint8 [out, d], and their grid.

    Raises:
        ValueError: an argument is not a finite matrix, or shapes do not fit.
    """
    second, cross = checked_moments(weight, second_moment, cross_moment)
    rounded = _polish(nearest(weight, grid), grid, second, cross)
    target = _least_squares(weight, second, cross)
    codes = elimination.quantize_rows(target, second, rounded[1], second.dtype, RIDGE)
    eliminated = _polish(codes, rounded[1], second, cross)
    return _better_rows(rounded, eliminated, second, cross)


def centred(
    second_moment: Tensor, cross_moment: Tensor, input_mean: Tensor, output_mean: Tensor
) -> tuple[Tensor, Tensor]:
    """Moments about the mean: E[x x^T] - E[x] E[x]^T and E[y x^T] - E[y] E[x]^T.

    They make the objective the output error that is left once the bias is at its best. An input
    that varies by no more than the moments' rounding counts as constant: it gets zeros.

    Args:
        second_moment: [d, d].
        cross_moment: [out, d].
        input_mean: E[x], [d].
        output_mean: E[y], [out].
    """
    second = second_moment.double() - torch.outer(input_mean, input_mean).double()
    cross = cross_moment.double() - torch.outer(output_mean, input_mean).double()
    rounding = ROUNDING * torch.finfo(second_moment.dtype).eps
    constant = second.diagonal() <= rounding * second_moment.diagonal()
    second[constant], second[:, constant], cross[:, constant] = 0, 0, 0
    return second.to(second_moment.dtype), cross.to(cross_moment.dtype)


def bias_correction(codes: Tensor, grid: Grid, input_mean: Tensor, output_mean: Tensor) -> Tensor:
    """What to add to the layer's bias so that its mean outputs are those of full precision.

    Args:
        codes, grid: of the quantized weight, [out, d].
        input_mean: mean of the quantized network's inputs to the layer, [d].
        output_mean: mean of the full-precision outputs without bias, [out].

    Returns:
        E[y] - q E[x] of each row q, [out].
    """
    return output_mean - dequantize(codes, grid).to(input_mean) @ input_mean


def _least_squares(weight: Tensor, second: Tensor, cross: Tensor) -> Tensor:
    """The real-valued weight with the least output error, drawn slightly to the given one."""
    second, cross = second.double(), cross.double()
    ridge = RIDGE * second.diagonal().mean()
    eye = torch.eye(len(second), dtype=second.dtype, device=second.device)
    if not ridge > 0:
        return weight
    return torch.linalg.solve(second + ridge * eye, cross + ridge * weight, left=False)


def _polish(codes: Tensor, grid: Grid, second: Tensor, cross: Tensor) -> tuple[Tensor, Grid]:
    """Descend over the whole grid and refit the scales, in turn, until the codes stay."""
    bounds = torch.zeros_like(codes), torch.full_like(codes, grid.levels - 1)
    for _ in range(POLISH):
        before = codes
        codes = coordinate_descent(codes, bounds, grid, second, cross)
        grid = _refit_scales(codes, grid, second, cross)
        if torch.equal(codes, before):
            break
    return codes, grid


def _refit_scales(codes: Tensor, grid: Grid, second: Tensor, cross: Tensor) -> Grid:
    """Each row's best scale for its codes: for u = code - zero_point it is u T^T / (u H u^T)."""
    steps = codes.to(second) - grid.zero_point.to(second)[:, None]
    fit = (steps * cross).sum(1) / ((steps @ second) * steps).sum(1)
    usable = torch.isfinite(fit) & (fit > torch.finfo(torch.float32).tiny)
    return replace(grid, scale=torch.where(usable, fit, grid.scale).float())


def _better_rows(
    first: tuple[Tensor, Grid], other: tuple[Tensor, Grid], second: Tensor, cross: Tensor
) -> tuple[Tensor, Grid]:
    """Each row from whichever of two results has the lower output error there."""
    errors = [objective(dequantize(*result), second, cross) for result in (first, other)]
    better = errors[1] < errors[0]
    codes = torch.where(better[:, None], other[0], first[0])
    scale = torch.where(better, other[1].scale, first[1].scale)
    return codes, replace(first[1], scale=scale)


def work(
    network: NetworkCost,
    images: int,
    device: str,
    *,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> Cost:
    """Of two streams, elimination in float32, descents and refits in turn, and distillation."""
    total = prepared(network, images, streams=2) + eliminated(network, 4, device)
    total += polished(network) + minibatches(network, iterations, batch)
    memory = held(network, images, streams=2) + elimination_memory(network, device)
    return Cost(total, memory, folded=True)
