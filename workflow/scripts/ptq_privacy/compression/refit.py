"""Refit: this project's own method, made for three levels.

The published methods choose codes on a grid that the weights alone have set. Here the grid is part
of the fit, and so is the bias. A free bias takes up mean outputs, so weights are fitted to what
varies (moments about the mean). The least-squares weight for the quantized network's inputs then
goes to the whole grid: by greedy elimination, which accounts for the inputs' correlations.
Coordinate descent over all codes and a closed-form refit of each channel's scale then take turns
until neither helps. Once all layers are done, distillation.py moves scales and biases together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ptq_privacy.compression import elimination
from ptq_privacy.compression.descent import checked_moments, coordinate_descent, objective
from ptq_privacy.compression.distillation import distil
from ptq_privacy.compression.grid import Grid, QuantizedWeight, dequantize, nearest, search
from ptq_privacy.compression.grouped import apart, begun
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
    solved,
)
from ptq_privacy.graph.folding import fold_all
from ptq_privacy.graph.layers import Moments
from ptq_privacy.graph.lockstep import Lockstep

RIDGE = 1e-2  # of the mean diagonal: pulls to the full-precision weight where inputs say little
ROUNDING = 512  # times a float's precision: what is left of constants about their mean
POLISH = 10  # descents and refits in turn, which mostly settle sooner


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    *,
    iterations: int,
    learning_rate: float,
    batch: int,
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Fit every layer, then distil; arguments and result as `compression.Together` has them."""
    if iterations:
        check_minibatch(inputs[0], "refit", batch)
    full = fold_all(models, inputs[0][:2])
    networks, layers = begun(full, levels)
    walk = Lockstep(full, networks, inputs, seeds)
    for moments in walk.each_layer():
        layers[moments.name] = _fit_layer(moments, levels[moments.name], networks)
        walk.set_weight(moments.name, layers[moments.name].values)
    fitted = apart(networks, layers)
    if not iterations:
        return fitted
    return [
        (network, distil(model, network, own, x, iterations, learning_rate, batch, seed))
        for model, (network, own), x, seed in zip(full, fitted, inputs, seeds, strict=True)
    ]


def _fit_layer(moments: Moments, levels: int, networks: Sequence[nn.Module]) -> QuantizedWeight:
    """Fit one layer of all networks, and correct their biases in place if they have one."""
    grid = search(moments.weight.flatten(0, 1), levels)
    second, cross = moments.second, moments.cross
    means = moments.input_mean, moments.output_mean
    biases = [network.get_submodule(moments.name).bias for network in networks]
    if biases[0] is not None:
        second, cross = centred(second, cross, *means)
    codes, grid = _fit(moments.weight, second, cross, grid)
    shifts = bias_correction(codes, grid, *means).flatten().chunk(len(networks))
    with torch.no_grad():
        for bias, shift in zip(biases, shifts, strict=True):
            if isinstance(bias, Tensor):
                bias.add_(shift)
    return QuantizedWeight(codes.flatten(0, 1), grid)


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
    codes, grid = _fit(weight[None], second[None], cross[None], grid)
    return codes[0], grid


def _fit(weight: Tensor, second: Tensor, cross: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    """`quantize_rows` of several layers at once: weight and cross [layers, out, d]."""
    start = nearest(weight.flatten(0, 1), grid).view_as(weight)
    rounded = _polish(start, grid, second, cross)
    target = _least_squares(weight, second, cross)
    codes = elimination.quantize_layers(target, second, rounded[1], second.dtype, RIDGE)
    eliminated = _polish(codes, rounded[1], second, cross)
    return _better_rows(rounded, eliminated, second, cross)


def centred(
    second_moment: Tensor, cross_moment: Tensor, input_mean: Tensor, output_mean: Tensor
) -> tuple[Tensor, Tensor]:
    """Moments about the mean: E[x x^T] - E[x] E[x]^T and E[y x^T] - E[y] E[x]^T.

    They make the objective the output error that is left once the bias is at its best. An input
    that varies by no more than the moments' rounding counts as constant: it gets zeros.

    Args:
        second_moment: [..., d, d].
        cross_moment: [..., out, d].
        input_mean: E[x], [..., d].
        output_mean: E[y], [..., out].
    """
    row = input_mean[..., None, :]
    second = second_moment.double() - (input_mean[..., None] * row).double()
    cross = cross_moment.double() - (output_mean[..., None] * row).double()
    rounding = ROUNDING * torch.finfo(second_moment.dtype).eps
    varying, whole = (x.diagonal(dim1=-2, dim2=-1) for x in (second, second_moment))
    constant = varying <= rounding * whole
    second.masked_fill_(constant[..., None] | constant[..., None, :], 0)
    cross.masked_fill_(constant[..., None, :], 0)
    return second.to(second_moment.dtype), cross.to(cross_moment.dtype)


def bias_correction(codes: Tensor, grid: Grid, input_mean: Tensor, output_mean: Tensor) -> Tensor:
    """What to add to the layer's bias so that its mean outputs are those of full precision.

    Args:
        codes, grid: of the quantized weight, [..., out, d].
        input_mean: mean of the quantized network's inputs to the layer, [..., d].
        output_mean: mean of the full-precision outputs without bias, [..., out].

    Returns:
        E[y] - q E[x] of each row q, [..., out].
    """
    weight = dequantize(codes, grid).to(input_mean)
    return output_mean - (weight * input_mean[..., None, :]).sum(-1)


def _least_squares(weight: Tensor, second: Tensor, cross: Tensor) -> Tensor:
    """The real-valued weights with the least output error, drawn slightly to the given ones."""
    second, cross = second.double(), cross.double()
    ridge = RIDGE * second.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    fed = ridge > 0
    eye = torch.eye(second.shape[1], dtype=second.dtype, device=second.device)
    damped = second + torch.where(fed, ridge, 1) * eye
    solved = torch.cholesky_solve((cross + ridge * weight).mT, torch.linalg.cholesky(damped)).mT
    return torch.where(fed, solved, weight.double())


def _polish(codes: Tensor, grid: Grid, second: Tensor, cross: Tensor) -> tuple[Tensor, Grid]:
    """Descend over the whole grid and refit the scales, in turn, until a layer's codes stay."""
    codes = codes.clone()
    scale, zero_point = (x.view(codes.shape[:2]).clone() for x in (grid.scale, grid.zero_point))
    moving = torch.arange(len(codes), device=codes.device)
    for _ in range(POLISH):
        on = Grid(scale[moving].flatten(), zero_point[moving].flatten(), grid.levels)
        before, moments = codes[moving], (second[moving], cross[moving])
        bounds = torch.zeros_like(before), torch.full_like(before, grid.levels - 1)
        after = coordinate_descent(before, bounds, on, *moments)
        codes[moving] = after
        scale[moving] = _refit_scales(after, on, *moments).view(len(moving), -1)
        moving = moving[(after != before).flatten(1).any(1)]
        if not len(moving):
            break
    return codes, replace(grid, scale=scale.flatten())


def _refit_scales(codes: Tensor, grid: Grid, second: Tensor, cross: Tensor) -> Tensor:
    """Each row's best scale for its codes: for u = code - zero_point it is u T^T / (u H u^T)."""
    steps = codes.to(second) - grid.zero_point.to(second).view(*codes.shape[:2], 1)
    fit = (steps * cross).sum(-1) / ((steps @ second) * steps).sum(-1)
    usable = torch.isfinite(fit) & (fit > torch.finfo(torch.float32).tiny)
    return torch.where(usable, fit, grid.scale.view_as(fit)).float()


def _better_rows(
    first: tuple[Tensor, Grid], other: tuple[Tensor, Grid], second: Tensor, cross: Tensor
) -> tuple[Tensor, Grid]:
    """Each row from whichever of two results has the lower output error there."""
    errors = [objective(dequantize(*result), second, cross) for result in (first, other)]
    better = errors[1] < errors[0]
    codes = torch.where(better[..., None], other[0], first[0])
    scale = torch.where(better.flatten(), other[1].scale, first[1].scale)
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
    memory = held(network, images, streams=2) + solved(network, 4)
    return Cost(total, memory, once=elimination_memory(network, device), folded=True)
