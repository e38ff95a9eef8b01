"""Greedy elimination: second-order quantization, weight by weight (Frantar and Alistarh 2022).

A row's weights are quantized one at a time. Each time the weight whose rounding costs the output
least goes next, and the weights that remain move to make up for it. The published code changes the
whole inverse second moment at every step; here the last steps are kept as vectors and applied to it
many at a time, by one matrix product, which computes the same numbers many times faster.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ptq_privacy.compression.grid import Grid, finite_matrix

SINGULAR_DAMPING = 1e-2  # of the mean diagonal; 1e-6 left NaN in rank-deficient layers
BATCH = 1 << 14  # weights of one batch of rows on a CPU: what a step touches stays in its cache
BATCH_BYTES = 1 << 30  # of one batch of rows' inverses, which with a copy are the bulk of memory
GPU_BATCH_BYTES = 1 << 32  # where starting a step costs more than its sums
KEEP = 0.7  # eliminated columns are dropped when fewer than this share is left
FIRST, DONE = -math.inf, math.inf  # a weight's turn
OUTLIER = {torch.float64: 2.0**900, torch.float32: 2.0**100}  # powers of two: exact factors


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
    rows = batch_rows(out, len(live), inverse.itemsize, inverse.device.type)
    room = inverse.new_empty(2, rows * inverse.numel())
    for start in range(0, out, rows):
        part = slice(start, start + rows)
        codes[part, live] = _eliminate(weight[part, live], inverse, grid.rows(part), room)
    return codes


def batch_rows(out: int, d: int, itemsize: int, device: str) -> int:
    """How many of `out` rows of d weights go through elimination side by side, by device type.

    All batches are of about the same size.
    """
    limit = BATCH_BYTES if device == "cpu" else GPU_BATCH_BYTES
    rows = limit // (itemsize * d**2)
    if device == "cpu":
        rows = min(rows, BATCH // d)
    return math.ceil(out / math.ceil(out / max(1, rows)))


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


def _eliminate(weight: Tensor, inverse: Tensor, grid: Grid, room: Tensor) -> Tensor:
    """Codes of a batch of rows, after blocks of steps with the inverse updated in between.

    Each row goes through the columns in an order of its own. From time to time its eliminated
    columns are dropped, which leaves a third of the work or little more. `room` [2, rows d d] is
    where the rows' inverses are kept: memory new to the process would cost more than the sums.
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
    while True:
        steps = min(left, block)
        vectors, order, chosen = _block_of_steps(weight, inverse, turn, ends, steps)
        points.scatter_(1, columns.gather(1, order), chosen)
        left -= steps
        if not left:
            return (points + zero_point).to(torch.uint8)
        if inverse.ndim == 2 or left < KEEP * columns.shape[1]:
            keep = (turn != DONE).nonzero()[:, 1].view(rows, left)
            columns, weight, turn = (x.gather(1, keep) for x in (columns, weight, turn))
            vectors = vectors.gather(2, keep[:, None].expand(-1, steps, -1))
            inverse = _submatrices(inverse, keep, room)
        inverse.baddbmm_(vectors.mT, vectors, alpha=-1)


def _submatrices(inverse: Tensor, keep: Tensor, room: Tensor) -> Tensor:
    """Each row's inverse [rows, d, d], or that of all [d, d], at columns keep [rows, left].

    The result lies in room[0], where the rows' inverses may themselves lie.
    """
    (rows, left), d = keep.shape, inverse.shape[-1]
    at = keep
    if inverse.ndim == 3:
        at = keep + torch.arange(0, rows * d, d, device=keep.device)[:, None]
    lines = room[1, : rows * left * d].view(rows * left, d)
    torch.index_select(inverse.view(-1, d), 0, at.flatten(), out=lines)
    kept = room[0, : rows * left * left].view(rows, left, left)
    columns = keep[:, None].expand(-1, left, -1)
    return torch.gather(lines.view(rows, left, d), 2, columns, out=kept)


def _block_of_steps(
    weight: Tensor, inverse: Tensor, turn: Tensor, ends: tuple[Tensor, Tensor], steps: int
) -> tuple[Tensor, Tensor, Tensor]:
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
        one less the sum of v v^T. Which column went at each step, and to which grid point, both
        [rows, steps].
    """
    rows, d = weight.shape
    lines = inverse.view(-1, d)
    first = torch.arange(rows, device=weight.device)[:, None] * (d if inverse.ndim == 3 else 0)
    low, high = (end.expand(rows, d).contiguous() for end in ends)
    diagonal = inverse.diagonal(dim1=-2, dim2=-1).expand(rows, d).clone()
    diagonal.masked_fill_(turn == DONE, 1)
    point, gap, error, cost, line = weight.new_empty(5, rows, d)
    vectors = weight.new_empty(rows, steps, d)
    order = first.new_empty(rows, steps)
    chosen = weight.new_empty(rows, steps)
    for step in range(steps):
        torch.clamp(weight, low, high, out=point).round_()
        torch.sub(weight, point, out=gap)
        torch.mul(gap, gap, out=error)
        torch.addcdiv(turn, error, diagonal, out=cost)
        # An outlier's turn comes before any other weight's, the worst one's first of all.
        cost.add_(torch.threshold_(error, 0.25, 0), alpha=-OUTLIER[weight.dtype])
        j = cost.min(1, keepdim=True).indices

        torch.index_select(lines, 0, (first + j).view(-1), out=line)
        if step:
            seen = vectors[:, :step]
            coefficient = seen.gather(2, j[:, :, None].expand(-1, step, 1))
            line[:, None].baddbmm_(coefficient.mT, seen, alpha=-1)
        pivot = line.gather(1, j)
        weight.addcmul_(line, gap.gather(1, j).div_(pivot), value=-1)
        vector = vectors[:, step]
        torch.div(line, pivot.sqrt_(), out=vector)
        diagonal.addcmul_(vector, vector, value=-1)

        order[:, step] = j[:, 0]
        chosen[:, step] = point.gather(1, j)[:, 0]
        diagonal.scatter_(1, j, 1)
        turn.scatter_(1, j, DONE)
    return vectors, order, chosen
