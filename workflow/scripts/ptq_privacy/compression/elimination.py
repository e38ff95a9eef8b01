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

from ptq_privacy.compression.grid import Grid
from ptq_privacy.compression.inverses import check_layer, damped_inverses

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
    check_layer(weight, hessian, grid)
    return quantize_layers(weight[None], hessian[None], grid, dtype, damping)[0]


def quantize_layers(
    weight: Tensor,
    hessian: Tensor,
    grid: Grid,
    dtype: torch.dtype = torch.float64,
    damping: float = 0.0,
) -> Tensor:
    """`quantize_rows` of several layers, whose rows go through elimination side by side.

    Args:
        weight: [layers, out, d], finite.
        hessian: [layers, d, d], finite.
        grid: of all layers' channels, one layer's after another's.
        dtype, damping: as there.

    Returns:
        Codes, uint8 [layers, out, d]. What becomes of a layer does not depend on the others.
    """
    weight, hessian = weight.to(dtype), hessian.to(dtype)
    layers, out, d = weight.shape
    codes = grid.zero_point.to(torch.uint8).view(layers, out, 1).repeat(1, 1, d)
    live = hessian.diagonal(dim1=1, dim2=2) > 0
    count = live.sum(1)
    for width in sorted({*count.tolist()} - {0}):
        own = (count == width).nonzero()[:, 0]  # the layers with so many live columns
        columns = live[own].nonzero()[:, 1].view(len(own), width)
        alive = hessian[own[:, None, None], columns[:, :, None], columns[:, None]]
        inverses = damped_inverses(alive, damping)
        lines = own[:, None] * out + torch.arange(out, device=own.device)
        lines = lines.flatten()
        columns = columns.repeat_interleave(out, 0)
        layer = torch.arange(len(own), device=own.device).repeat_interleave(out)
        wanted = weight.flatten(0, 1)[lines].gather(1, columns)
        rows = batch_rows(len(lines), width, inverses.itemsize, inverses.device.type)
        room = inverses.new_empty(2, rows * width**2)
        for start in range(0, len(lines), rows):
            part = slice(start, start + rows)
            known = wanted[part], inverses, layer[part], grid.rows(lines[part]), room
            codes.view(-1, d)[lines[part, None], columns[part]] = _eliminate(*known)
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


def _eliminate(weight: Tensor, inverses: Tensor, layer: Tensor, grid: Grid, room: Tensor) -> Tensor:
    """Codes of a batch of rows, after blocks of steps with the inverse updated in between.

    Each row goes through the columns in an order of its own. From time to time its eliminated
    columns are dropped, which leaves a third of the work or little more. `layer` [rows] says whose
    of the `inverses` [layers, d, d] is a row's. `room` [2, rows d d] is where the rows' own are
    kept: memory new to the process would cost more than the sums.
    """
    rows, d = weight.shape
    scale, zero_point = grid.columns(weight.dtype)
    ends = -zero_point, grid.levels - 1 - zero_point
    weight = weight / scale
    points = torch.empty_like(weight)
    turn = torch.zeros_like(weight).masked_fill_(weight == 0, FIRST)
    columns = torch.arange(d, device=weight.device).expand(rows, d)
    block = round(2 * d**0.5)  # balances reading the block's vectors and updating the inverse
    left, inverse, owner = d, inverses, layer
    own = torch.arange(rows, device=weight.device)
    while True:
        steps = min(left, block)
        vectors, order, chosen = _block_of_steps(weight, inverse, owner, turn, ends, steps)
        points.scatter_(1, columns.gather(1, order), chosen)
        left -= steps
        if not left:
            return (points + zero_point).to(torch.uint8)
        if inverse is inverses or left < KEEP * columns.shape[1]:
            keep = (turn != DONE).nonzero()[:, 1].view(rows, left)
            columns, weight, turn = (x.gather(1, keep) for x in (columns, weight, turn))
            vectors = vectors.gather(2, keep[:, None].expand(-1, steps, -1))
            inverse, owner = _submatrices(inverse, owner, keep, room), own
        inverse.baddbmm_(vectors.mT, vectors, alpha=-1)


def _submatrices(inverse: Tensor, owner: Tensor, keep: Tensor, room: Tensor) -> Tensor:
    """Each row's own inverse at columns keep [rows, left]; `owner` [rows] says which it has now.

    The result lies in room[0], where the rows' inverses may themselves lie.
    """
    (rows, left), d = keep.shape, inverse.shape[-1]
    lines = room[1, : rows * left * d].view(rows * left, d)
    at = keep + owner[:, None] * d
    torch.index_select(inverse.view(-1, d), 0, at.flatten(), out=lines)
    kept = room[0, : rows * left * left].view(rows, left, left)
    columns = keep[:, None].expand(-1, left, -1)
    return torch.gather(lines.view(rows, left, d), 2, columns, out=kept)


def _block_of_steps(
    weight: Tensor,
    inverse: Tensor,
    owner: Tensor,
    turn: Tensor,
    ends: tuple[Tensor, Tensor],
    steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Eliminate `steps` weights of each row without touching the stored inverses.

    Args:
        weight: [rows, d], in units of the row's scale; changed in place.
        inverse: [inverses, d, d].
        owner: which of them is a row's, [rows].
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
    low, high = (end.expand(rows, d).contiguous() for end in ends)
    diagonal = inverse.diagonal(dim1=1, dim2=2)[owner]
    diagonal.masked_fill_(turn == DONE, 1)
    point, gap, error, cost, line = weight.new_empty(5, rows, d)
    vectors = weight.new_empty(rows, steps, d)
    order, chosen = turn.new_empty(steps, rows, dtype=torch.int64), weight.new_empty(steps, rows)
    # Single values are had by their place in the flat memory: gather takes several times as long.
    lines, first = inverse.view(-1, d), owner * d
    row = torch.arange(rows, device=weight.device) * d
    seen = row[:, None] * steps + torch.arange(steps, device=weight.device) * d
    least = weight.new_empty(rows)
    for step in range(steps):
        torch.clamp(weight, low, high, out=point).round_()
        torch.sub(weight, point, out=gap)
        torch.mul(gap, gap, out=error)
        torch.addcdiv(turn, error, diagonal, out=cost)
        # An outlier's turn comes before any other weight's, the worst one's first of all.
        cost.add_(torch.threshold_(error, 0.25, 0), alpha=-OUTLIER[weight.dtype])
        j = order[step]
        torch.min(cost, 1, out=(least, j))

        torch.index_select(lines, 0, first + j, out=line)
        if step:
            coefficient = vectors.take(seen[:, :step] + j[:, None])
            line[:, None].baddbmm_(coefficient[:, None], vectors[:, :step], alpha=-1)
        at = row + j
        pivot = line.take(at)
        weight.addcmul_(line, gap.take(at).div_(pivot)[:, None], value=-1)
        vector = vectors[:, step]
        torch.div(line, pivot.sqrt_()[:, None], out=vector)
        diagonal.addcmul_(vector, vector, value=-1)

        torch.take(point, at, out=chosen[step])
        diagonal.scatter_(1, j[:, None], 1)
        turn.scatter_(1, j[:, None], DONE)
    return vectors, order.T, chosen.T
