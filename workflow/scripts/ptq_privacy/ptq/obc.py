"""Optimal Brain Compression: greedy second-order quantization (Frantar and Alistarh 2022).

A row's weights are quantized one at a time. Each time the weight whose rounding costs the output
least goes next, and the weights that remain move to make up for it. The published code changes the
whole inverse second moment at every step; here the last steps are kept as vectors and applied to it
many at a time, by one matrix product, which computes the same numbers many times faster.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptq_privacy.ptq.grid import Grid, finite_matrix

SINGULAR_DAMPING = 1e-2  # of the mean diagonal; 1e-6 left NaN in rank-deficient layers
BATCH_BYTES = 1 << 30  # of one batch of rows' inverses, the bulk of the memory
KEEP = 0.7  # eliminated columns are dropped when fewer than this share is left
FIRST, DONE = -math.inf, math.inf  # a weight's turn


def quantize_rows(
    weight: Tensor,
    hessian: Tensor,
    grid: Grid,
    dtype: torch.dtype = torch.float64,
    damping: float = 0.0,
) -> Tensor:
    """Quantize each row by the greedy elimination of Frantar and Alistarh (2022), section 5 (OBQ).

    A weight that is exactly zero is fixed first; a weight further than half a step from the grid
    (an outlier) is quantized as soon as it appears. Inputs that are zero throughout (dead columns)
    get the code of zero. The result does not depend on the second moment's scale.

    Args:
        weight: [out, d].
        hessian: second moment of the layer's inputs, times any factor, [d, d].
        grid: of the same channels.
        dtype: float64 gives the published algorithm's codes exactly; float32 is faster and takes
            some near-ties the other way.
        damping: added to the diagonal, relative to its mean. A second moment that cannot be
            inverted in this dtype gets at least 1e-2.

    Returns:
        Codes, uint8 [out, d].

    Raises:
        ValueError: weight or hessian is not a finite matrix, or their shapes differ.
    """
    weight = finite_matrix("weight", weight).to(dtype)
    hessian = finite_matrix("hessian", hessian).to(dtype)
    out, d = weight.shape
    if hessian.shape != (d, d):
        raise ValueError(f"hessian: expected [{d}, {d}], not {list(hessian.shape)}")
    if len(grid.scale) != out:
        raise ValueError(f"grid: {len(grid.scale)} channels for a weight of {out}")

    codes = grid.zero_point.to(torch.uint8)[:, None].repeat(1, d)
    live = (hessian.diagonal() > 0).nonzero()[:, 0]
    if not len(live):
        return codes
    inverse = _inverse(hessian[live][:, live], damping)
    rows = max(1, BATCH_BYTES // (inverse.numel() * inverse.element_size()))
    for start in range(0, out, rows):
        part = slice(start, start + rows)
        codes[part, live] = _eliminate(weight[part, live], inverse, grid.rows(part))
    return codes


def _inverse(hessian: Tensor, damping: float) -> Tensor:
    """Inverse of the damped second moment, by Cholesky; damped further where it is singular."""
    diagonal = hessian.diagonal()
    smallest = len(hessian) * torch.finfo(hessian.dtype).eps * diagonal.max()
    for strength in (damping, max(damping, SINGULAR_DAMPING)):
        damped = hessian + strength * diagonal.mean() * torch.eye(len(hessian)).to(hessian)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if not failed and factor.diagonal().square().min() > smallest:
            return torch.cholesky_inverse(factor)
    raise ValueError("hessian: not positive semi-definite")


def _eliminate(weight: Tensor, inverse: Tensor, grid: Grid) -> Tensor:
    """Codes of a batch of rows, after blocks of steps with the inverse updated in between.

    Each row goes through the columns in an order of its own. From time to time its eliminated
    columns are dropped, which leaves a third of the work or less.
    """
    rows, d = weight.shape
    scale, zero_point = grid.columns(weight.dtype)
    ends = -zero_point, grid.levels - 1 - zero_point
    weight = weight / scale
    points = torch.empty_like(weight)
    turn = torch.zeros_like(weight).masked_fill_(weight == 0, FIRST)
    columns = torch.arange(d, device=weight.device).expand(rows, d)
    block = round(2 * d**0.5)  # balances reading the block's vectors and updating the inverse
    left = d
    while left:
        steps = min(left, block)
        vectors = _block_of_steps(weight, inverse, turn, ends, steps)
        left -= steps
        if inverse.ndim == 3 and left > KEEP * columns.shape[1]:
            inverse.baddbmm_(vectors.mT, vectors, alpha=-1)
            continue
        points.scatter_(1, columns, weight)
        keep = (turn != DONE).nonzero()[:, 1].view(rows, left)
        columns, weight, turn = (x.gather(1, keep) for x in (columns, weight, turn))
        vectors = vectors.gather(2, keep[:, None].expand(-1, steps, -1))
        inverse = _submatrices(inverse, keep).baddbmm_(vectors.mT, vectors, alpha=-1)
    return (points.round() + zero_point).to(torch.uint8)


def _submatrices(inverse: Tensor, keep: Tensor) -> Tensor:
    """Each row's inverse [rows, d, d], or that of all [d, d], at columns keep [rows, left]."""
    row = torch.arange(len(keep), device=keep.device)[:, None]
    lines = inverse[keep] if inverse.ndim == 2 else inverse[row, keep]
    return lines.gather(2, keep[:, None].expand(-1, keep.shape[1], -1))


def _block_of_steps(
    weight: Tensor, inverse: Tensor, turn: Tensor, ends: tuple[Tensor, Tensor], steps: int
) -> Tensor:
    """Eliminate `steps` weights of each row without touching the stored inverse.

    Args:
        weight: [rows, d], in units of the row's scale; changed in place.
        inverse: [rows, d, d], or [d, d] for all rows.
        turn: [rows, d], DONE where a weight is eliminated, FIRST where one goes before all others,
            0 elsewhere; changed in place.
        ends: lowest and highest grid point of each row, [rows, 1].
        steps: how many.

    Returns:
        The elimination vectors v [rows, steps, d]: the inverse after the last step is the stored
        one less the sum of v v^T.
    """
    rows, d = weight.shape
    row = torch.arange(rows, device=weight.device)
    own = row if inverse.ndim == 3 else torch.zeros_like(row)
    lines = inverse.reshape(-1, d)
    low, high = (end.expand(rows, d).contiguous() for end in ends)
    diagonal = inverse.diagonal(dim1=-2, dim2=-1).expand(rows, d).clone()
    diagonal.masked_fill_(turn == DONE, 1)
    vectors = weight.new_empty(rows, steps, d)
    for step in range(steps):
        point = weight.round().clamp_(low, high)
        gap = weight - point
        error = gap.square()
        cost, j = (error / diagonal).add_(turn).min(1)
        worst, outlier = error.max(1)
        j = torch.where((worst > 0.25) & (cost > FIRST), outlier, j)
        at = row * d + j

        line = lines.index_select(0, own * d + j)
        if step:
            seen = vectors[:, :step]
            coefficient = seen.gather(2, j[:, None, None].expand(-1, step, 1))
            line = line[:, None].baddbmm_(coefficient.mT, seen, alpha=-1)[:, 0]
        pivot = line.take(at)[:, None]
        weight.addcmul_(line, gap.take(at)[:, None] / pivot, value=-1)
        vector = line.div_(pivot.sqrt_())
        diagonal.addcmul_(vector, vector, value=-1)
        vectors[:, step] = vector

        weight.put_(at, point.take(at))
        diagonal.view(-1).index_fill_(0, at, 1)
        turn.view(-1).index_fill_(0, at, DONE)
    return vectors
