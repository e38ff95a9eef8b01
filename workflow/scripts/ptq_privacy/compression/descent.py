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
        weight: quantized, [out, d].
        second_moment: H = E[x x^T], [d, d].
        cross_moment: T = E[y x^T], [out, d].

    Returns:
        q H q^T - 2 q T^T of each row q, float64 [out].
    """
    weight, second, cross = (x.double() for x in (weight, second_moment, cross_moment))
    return ((weight @ second - 2 * cross) * weight).sum(1)


def coordinate_descent(
    codes: Tensor,
    bounds: tuple[Tensor, Tensor],
    grid: Grid,
    second_moment: Tensor,
    cross_moment: Tensor,
    sweeps: int = SWEEPS,
) -> Tensor:
    """Give each code in turn its best value, the others fixed, until no code changes.

    All rows move at once, column by column. In a column the error is a parabola, so the best of the
    allowed codes is its minimum, rounded and clipped; the error falls with each change. Columns
    whose input is zero throughout keep their codes.

    Args:
        codes: to start from, [out, d].
        bounds: lowest and highest code allowed, each [out, d].
        grid: of the same channels.
        second_moment: H, [d, d], in the precision to compute in.
        cross_moment: T, [out, d].
        sweeps: at most so many passes over the columns.

    Returns:
        Codes, uint8 [out, d].
    """
    # Transposed, so that one column of all rows is one run of memory.
    dtype = second_moment.dtype
    low, high, codes = (x.to(dtype).T.contiguous() for x in (*bounds, codes))
    scale, zero_point = (x[:, 0] for x in grid.columns(dtype))
    error = second_moment @ (scale * (codes - zero_point)) - cross_moment.T  # half the gradient
    live = (second_moment.diagonal() > 0).nonzero()[:, 0]
    for _ in range(sweeps):
        before = codes.clone()
        for block in live.split(COLUMNS):
            inner = second_moment[block][:, block]
            after = _descend(codes[block], (low[block], high[block]), error[block], scale, inner)
            error.addmm_(second_moment[:, block], scale * (after - codes[block]))
            codes[block] = after
        if torch.equal(codes, before):
            break
    return codes.T.to(torch.uint8)


def _descend(
    codes: Tensor, bounds: tuple[Tensor, Tensor], error: Tensor, scale: Tensor, second: Tensor
) -> Tensor:
    """One pass over a block of columns: codes, bounds and error are [columns, out]."""
    codes, error = codes.clone(), error.clone()
    curvature = second.diagonal()[:, None] * scale
    for k, (low, high) in enumerate(zip(*bounds, strict=True)):
        best = (codes[k] - error[k] / curvature[k]).round_().clamp_(low, high)
        error[k + 1 :].addr_(second[k, k + 1 :], scale * (best - codes[k]))
        codes[k] = best
    return codes


def best_of_rows(
    candidates: list[Tensor], grid: Grid, second_moment: Tensor, cross_moment: Tensor
) -> Tensor:
    """For each row the codes with the least output error, of several candidates [out, d]."""
    errors = [objective(dequantize(c, grid), second_moment, cross_moment) for c in candidates]
    best = torch.stack(errors).argmin(0)
    return torch.stack(candidates)[best, torch.arange(len(best), device=best.device)]


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
