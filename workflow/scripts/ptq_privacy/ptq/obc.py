"""Optimal Brain Compression: greedy second-order quantization (Frantar and Alistarh 2022).

A row's weights are quantized one at a time. Each time the weight whose rounding costs the output
least goes next, and the weights that remain move to make up for it. The published code changes the
whole inverse second moment at every step; here the last steps are kept as vectors and applied to it
many at a time, by one matrix product, which computes the same numbers many times faster.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptq_privacy.ptq.grid import Grid, finite_matrix

SINGULAR_DAMPING = 1e-2  # of the mean diagonal; 1e-6 left NaN in rank-deficient layers
BATCH_BYTES = 1 << 29  # the inverses of one batch of rows


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
    for strength in (damping, max(damping, SINGULAR_DAMPING)):
        damped = hessian + strength * diagonal.mean() * torch.eye(len(hessian)).to(hessian)
        factor, failed = torch.linalg.cholesky_ex(damped)
        smallest = factor.diagonal().square().min()
        if not failed and smallest > len(hessian) * torch.finfo(hessian.dtype).eps * diagonal.max():
            return torch.cholesky_inverse(factor)
    raise ValueError("hessian: not positive semi-definite")


def _eliminate(weight: Tensor, inverse: Tensor, grid: Grid) -> Tensor:
    """Codes of a batch of rows: blocks of elimination steps, each on what the last one left."""
    rows, d = weight.shape
    row = torch.arange(rows, device=weight.device)[:, None]
    scale, zero_point = grid.columns(weight.dtype)
    ends = -zero_point, grid.levels - 1 - zero_point
    codes = torch.empty_like(weight)
    columns = torch.arange(d, device=weight.device).expand(rows, d)
    steps_of_grid = weight / scale
    inverse = inverse.expand(rows, d, d)
    while (left := columns.shape[1]) > 0:
        steps = min(left, _block(d))
        order, chosen, steps_of_grid, vectors = _block_of_steps(steps_of_grid, inverse, ends, steps)
        codes.scatter_(1, columns.gather(1, order), chosen)
        keep = torch.ones_like(columns, dtype=torch.bool).scatter_(1, order, False)
        keep = keep.nonzero()[:, 1].view(rows, left - steps)
        columns, steps_of_grid = columns.gather(1, keep), steps_of_grid.gather(1, keep)
        inverse = inverse[row, keep].gather(2, keep[:, None, :].expand(-1, left - steps, -1))
        vectors = vectors.gather(2, keep[:, None, :].expand(-1, steps, -1))
        inverse.baddbmm_(vectors.mT, vectors, alpha=-1)
    return (codes + zero_point).to(torch.uint8)


def _block_of_steps(
    weight: Tensor, inverse: Tensor, ends: tuple[Tensor, Tensor], steps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Eliminate `steps` weights of each row without touching the stored inverse.

    Weights [rows, d] are in units of the row's scale, so grid points are whole numbers between
    `ends`. Returns the positions in their order [rows, steps], their grid points [rows, steps], the
    weights as they have moved [rows, d], and the elimination vectors v [rows, steps, d]: the
    inverse that belongs to the last step is the stored one minus the sum of v v^T.
    """
    rows, d = weight.shape
    row = torch.arange(rows, device=weight.device)
    diagonal = inverse.diagonal(dim1=1, dim2=2).clone()
    done = torch.zeros_like(weight).masked_fill_(weight == 0, -torch.inf)
    weight = weight.clone()
    vectors = weight.new_empty(rows, steps, d)
    order = torch.empty(rows, steps, dtype=torch.long, device=weight.device)
    chosen = weight.new_empty(rows, steps)
    for step in range(steps):
        point = weight.round().clamp_(*ends)
        gap = weight - point
        error = gap.square()
        cost = torch.where(error > 0.25, -error, error / diagonal)  # outliers go first
        j = cost.add_(done).argmin(1)

        moved = inverse[row, j]
        if step:
            seen = vectors[:, :step]
            moved = moved[:, None].baddbmm_(seen[row, :, j][:, None], seen, alpha=-1)[:, 0]
        pivot = moved[row, j]
        weight.addcmul_(moved, (gap[row, j] / pivot)[:, None], value=-1)
        vector = moved.div_(pivot.sqrt()[:, None])
        vectors[:, step] = vector
        diagonal.addcmul_(vector, vector, value=-1)
        order[:, step] = j
        chosen[:, step] = point[row, j]

        done[row, j] = torch.inf
        diagonal[row, j] = 1
        weight[row, j] = 0  # a grid point, so it is never an outlier again
    return order, chosen, weight, vectors


def _block(d: int) -> int:
    return 64 if d < 1152 else 128
