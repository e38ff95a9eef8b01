"""GPTQ (Frantar et al. 2022): OBC's update in one order of columns that all rows share.

A row's rounding error is made up for by the weights that come after. All rows go through the
columns in the same order, so one Cholesky factor of the inverse second moment serves all of them,
where OBC changes an inverse for each row. The layers of networks are gone through as OBC's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ptq_privacy.compression.alone import each_alone
from ptq_privacy.compression.grid import Grid, QuantizedWeight
from ptq_privacy.compression.inverses import check_layer, damped_inverses
from ptq_privacy.compression.work import Cost, NetworkCost, Work, held, prepared, solved, swept

BLOCK = 128  # columns whose errors reach those to the right of them by one matrix product


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    *,
    damping: float,
    decreasing: bool,
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Quantize every layer; arguments and result as `compression.Together` has them."""
    solve = partial(quantize_layers, damping=damping, decreasing=decreasing)
    return each_alone(models, inputs, levels, seeds, solve)


def quantize_rows(
    weight: Tensor,
    hessian: Tensor,
    grid: Grid,
    dtype: torch.dtype = torch.float64,
    damping: float = 0.0,
    decreasing: bool = False,
) -> Tensor:
    """Quantize the columns of a weight from the first to the last: Frantar et al. (2022), alg. 1.

    With U^T U the inverse second moment, U upper triangular, rounding column j leaves the error
    e = (w_j - q_j) / U_jj, and every later column k moves by -e U_jk (their eq. 2 and 3). Inputs
    that are zero throughout (dead columns) get the code of zero. The result does not depend on the
    second moment's scale.

    Args:
        weight: [out, d].
        hessian: second moment of the layer's inputs, times any factor, [d, d].
        grid: of the same channels.
        dtype: what is computed in.
        damping: added to the diagonal, relative to its mean. A second moment that cannot be
            inverted in this dtype gets at least 1e-2.
        decreasing: take columns by decreasing second moment of their inputs, not as they stand.

    Returns:
        Codes, uint8 [out, d].

    Raises:
        ValueError: weight or hessian is not a finite matrix, or their shapes differ.
    """
    check_layer(weight, hessian, grid)
    return quantize_layers(weight[None], hessian[None], grid, dtype, damping, decreasing)[0]


def quantize_layers(
    weight: Tensor,
    hessian: Tensor,
    grid: Grid,
    dtype: torch.dtype = torch.float64,
    damping: float = 0.0,
    decreasing: bool = False,
) -> Tensor:
    """`quantize_rows` of several layers: weight [layers, out, d], hessian [layers, d, d].

    Returns:
        Codes, uint8 [layers, out, d]. What becomes of a layer does not depend on the others.
    """
    layers, out, d = weight.shape
    weight, hessian = weight.to(dtype), hessian.to(dtype)
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    dead = diagonal <= 0
    # A dead column has nothing to do with the others: any diagonal will do, their mean harms least.
    usual = diagonal.sum(1) / (~dead).sum(1).clamp(min=1)
    hessian = hessian + torch.diag_embed(torch.where(dead, usual.where(usual > 0, 1)[:, None], 0))
    weight = weight.masked_fill(dead[:, None], 0)
    order = torch.arange(d, device=weight.device).expand(layers, d)
    if decreasing:
        order = diagonal.argsort(dim=1, descending=True, stable=True)
        hessian = hessian.gather(1, order[:, :, None].expand(-1, -1, d))
        hessian = hessian.gather(2, order[:, None].expand(-1, d, -1))
        weight = weight.gather(2, order[:, None].expand(-1, out, -1))
    factor = torch.linalg.cholesky(damped_inverses(hessian, damping), upper=True)
    codes = _sweep(weight.contiguous(), factor, grid)
    return torch.empty_like(codes).scatter_(2, order[:, None].expand(-1, out, -1), codes)


def _sweep(weight: Tensor, factor: Tensor, grid: Grid) -> Tensor:
    """Codes in the columns' order, errors carried on block by block; changes the weight."""
    layers, out, d = weight.shape
    scale, zero_point = (x.view(layers, out) for x in grid.columns(weight.dtype))
    low, high = -zero_point, grid.levels - 1 - zero_point
    codes = torch.empty(layers, out, d, dtype=torch.uint8, device=weight.device)
    for start in range(0, d, BLOCK):
        stop = min(start + BLOCK, d)
        # Columns are read one by one: each as a run of memory.
        block = weight[..., start:stop].permute(2, 0, 1).contiguous()
        errors = torch.empty_like(block)
        for j in range(stop - start):
            row = factor[:, start + j, start + j : stop]
            point = (block[j] / scale).round_().clamp_(low, high)
            codes[..., start + j] = point + zero_point
            errors[j] = (block[j] - scale * point) / row[:, :1]
            block[j:] -= row.T[..., None] * errors[j]
        weight[..., stop:] -= errors.permute(1, 2, 0) @ factor[:, start:stop, stop:]
    return codes


def work(
    network: NetworkCost, images: int, device: str, *, damping: float, decreasing: bool
) -> Cost:
    """Of one stream of activations, one sweep over the columns, and new statistics."""
    total = prepared(network, images, streams=1) + swept(network)
    total += Work(single=images * network.flops)
    return Cost(total, held(network, images, streams=1) + solved(network, 8))
