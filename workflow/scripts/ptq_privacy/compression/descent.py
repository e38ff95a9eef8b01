"""The layer-wise output error as a quadratic of the quantized weight, and coordinate descent on it.

With x the quantized network's input to a layer (an unfolded patch), y the full-precision output
without bias, H = E[x x^T] and T = E[y x^T], a row q of the quantized weight has the error
E[(y - q x)^2] = q H q^T - 2 q T^T + E[y^2]: calibration data enter through H and T alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptq_privacy.compression.grid import Grid, dequantize, finite_matrix

SWEEPS = 30  # descent mostly stops by itself after 5 to 15
COLUMNS = 64  # of one block, within which gradients are kept up to date at every column


def objective(weight: Tensor, second_moment: Tensor, cross_moment: Tensor) -> Tensor:
    """Expected squared output error of each row, less E[y^2], which no choice of weight changes.

    Args:
        weight: quantized, [..., out, d].
        second_moment: H = E[x x^T], [..., d, d].
        cross_moment: T = E[y x^T], [..., out, d].

    Returns:
        q H q^T - 2 q T^T of each row q, float64 [..., out].
    """
    weight, second, cross = (x.double() for x in (weight, second_moment, cross_moment))
    return ((weight @ second - 2 * cross) * weight).sum(-1)


def coordinate_descent(
    codes: Tensor,
    bounds: tuple[Tensor, Tensor],
    grid: Grid,
    second_moment: Tensor,
    cross_moment: Tensor,
    sweeps: int = SWEEPS,
) -> Tensor:
    """Give each code in turn its best value, the others fixed, until no code changes.

    All rows of all layers move at once, column by column. In a column the error is a parabola, so
    the best of the allowed codes is its minimum, rounded and clipped; the error falls with each
    change. Columns whose input is zero throughout keep their codes.

    Args:
        codes: to start from, [out, d], or of several layers [layers, out, d]; so the others.
        bounds: lowest and highest code allowed, each [..., out, d].
        grid: of the same channels, those of each layer after those of the one before it.
        second_moment: H, [..., d, d], in the precision to compute in.
        cross_moment: T, [..., out, d].
        sweeps: at most so many passes over the columns.

    Returns:
        Codes, uint8 [..., out, d]. What becomes of a layer does not depend on the others.
    """
    if codes.ndim == 2:
        low, high = (bound[None] for bound in bounds)
        one = codes[None], (low, high), grid, second_moment[None], cross_moment[None], sweeps
        return coordinate_descent(*one)[0]
    result = codes.to(torch.uint8, copy=True)
    diagonal = second_moment.diagonal(dim1=1, dim2=2)
    columns = (diagonal > 0).any(0).nonzero()[:, 0]
    if not len(columns):
        return result
    inverse = torch.where(diagonal > 0, 1 / diagonal, 0)[:, :, None]
    coupling = (second_moment * -inverse)[:, columns][:, :, columns]
    coupling.diagonal(dim1=1, dim2=2).zero_()
    scale, zero_point = (x.view(*codes.shape[:2], 1) for x in grid.columns(second_moment.dtype))
    # Columns first, so that one column of all rows of all layers is one run of memory.
    start, low, high = (
        x.to(second_moment.dtype).permute(2, 0, 1)[columns] for x in (codes, *bounds)
    )
    steps = codes - zero_point  # from the code of zero
    best = (second_moment @ steps.mT - (cross_moment / scale).mT).mul_(-inverse)
    best = best.transpose(0, 1)[columns].add_(start)
    moving = torch.arange(len(codes), device=codes.device)
    for _ in range(sweeps):
        now = start.clone()
        for at in range(0, len(columns), COLUMNS):
            _descend(slice(at, at + COLUMNS), now, best, (low, high), coupling)
        changed = (now != start).any(2).any(0)
        start = now
        if not changed.all():  # the layers that have settled are done
            settled = moving[~changed][:, None]
            result[settled, :, columns] = now[:, ~changed].permute(1, 0, 2).to(torch.uint8)
            moving, coupling = moving[changed], coupling[changed]
            start, best, low, high = (x[:, changed] for x in (start, best, low, high))
        if not len(moving):
            return result
    result[moving[:, None], :, columns] = start.permute(1, 0, 2).to(torch.uint8)
    return result


def _descend(
    block: slice,
    codes: Tensor,
    best: Tensor,
    bounds: tuple[Tensor, Tensor],
    coupling: Tensor,
) -> None:
    """One pass over a block of columns, in place.

    Args:
        block: of columns.
        codes: [columns, layers, out].
        best: where each code's parabola has its minimum, the others fixed, of the same shape.
        bounds: lowest and highest code allowed, of the same shape.
        coupling: by how much a minimum (row) moves with a code (column), [layers, columns,
            columns]; 0 on its diagonal.
    """
    inner = best[block].clone()
    after, steps = torch.empty(2, *inner.shape, dtype=inner.dtype, device=inner.device)
    within = coupling[:, block, block].permute(2, 1, 0)[..., None].contiguous()
    low, high = (bound[block].unbind() for bound in bounds)
    parts = zip(inner.unbind(), after.unbind(), steps.unbind(), codes[block].unbind(), strict=True)
    for k, (minimum, code, step, before) in enumerate(parts):
        torch.round(minimum, out=code).clamp_(low[k], high[k])
        torch.sub(code, before, out=step)
        inner[k + 1 :].addcmul_(within[k, k + 1 :], step)
    codes[block] = after
    best += (coupling[:, :, block] @ steps.transpose(0, 1)).transpose(0, 1)


def best_of_rows(
    candidates: list[Tensor], grid: Grid, second_moment: Tensor, cross_moment: Tensor
) -> Tensor:
    """For each row the codes with the least output error, of several candidates [..., out, d]."""
    errors = [objective(dequantize(c, grid), second_moment, cross_moment) for c in candidates]
    best = torch.stack(errors).argmin(0)[None, ..., None]
    return torch.stack(candidates).gather(0, best.expand(1, *candidates[0].shape))[0]


def checked_moments(
    weight: Tensor, second_moment: Tensor, cross_moment: Tensor
) -> tuple[Tensor, Tensor]:
    """The moments in one precision, or a ValueError that names what does not fit the weight."""
    out, d = finite_matrix("weight", weight).shape
    for name, moment, shape in (
        ("second_moment", second_moment, (d, d)),
        ("cross_moment", cross_moment, (out, d)),
    ):
        if finite_matrix(name, moment).shape != shape:
            raise ValueError(f"{name}: expected {list(shape)}, not {list(moment.shape)}")
    return second_moment, cross_moment.to(second_moment.dtype)
