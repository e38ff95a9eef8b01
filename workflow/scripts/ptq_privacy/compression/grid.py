"""Uniform quantization grids, one per output channel: how weights become codes and codes weights.

Code c in 0..levels-1 of channel i stands for the weight scale[i] * (c - zero_point[i]). Throughout
this package weights are unfolded to [out, d], with d in (channel, kh, kw) order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CANDIDATES = 80  # the range is shrunk in steps of 1 % of the full one, down to 21 % of it
NORM = 2.4  # clipping a large weight costs more than the squared error says
CHUNK = 1 << 18  # elements of a temporary: small enough to stay in a CPU's cache


@dataclass(frozen=True)
class Grid:
    """A uniform grid for each output channel.

    scale: float32 [out], positive.
    zero_point: int32 [out], the code of weight 0, in 0..levels-1.
    levels: number of codes, 2 to 256.
    """

    scale: Tensor
    zero_point: Tensor
    levels: int

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 256:
            raise ValueError(f"grid: levels {self.levels} out of range; allowed: 2 to 256")
        if self.scale.ndim != 1 or self.scale.shape != self.zero_point.shape:
            raise ValueError(
                "grid: scale and zero_point should both be [out], not "
                f"{list(self.scale.shape)} and {list(self.zero_point.shape)}"
            )

    def columns(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Scale and zero point as [out, 1], to be used against [out, d]."""
        return self.scale.to(dtype)[:, None], self.zero_point.to(dtype)[:, None]

    def rows(self, index: slice | Tensor) -> Grid:
        """The grid of some of the channels."""
        return Grid(self.scale[index], self.zero_point[index], self.levels)


@dataclass(frozen=True)
class QuantizedWeight:
    """One layer's weight as stored: codes uint8 [out, d] on a grid."""

    codes: Tensor
    grid: Grid

    @property
    def values(self) -> Tensor:
        """The weights that the codes stand for, float32 [out, d]."""
        return dequantize(self.codes, self.grid)


def stacked(parts: Sequence[QuantizedWeight]) -> QuantizedWeight:
    """Weights of equal width and levels as one, the rows of each below those before it."""
    grids = [part.grid for part in parts]
    scale = torch.cat([grid.scale for grid in grids])
    zero_point = torch.cat([grid.zero_point for grid in grids])
    codes = torch.cat([part.codes for part in parts])
    return QuantizedWeight(codes, Grid(scale, zero_point, grids[0].levels))


def search(weight: Tensor, levels: int, symmetric: bool = False) -> Grid:
    """Each channel's range that gives nearest rounding the least L2.4 error.

    The norm is LAPQ's (Nahshan et al. 2021). The candidates are the channel's own range, forced
    to include 0, shrunk by 0 to 79 %: the search of the published OBC and BRECQ code, whose
    scales and zero points come out bit for bit.

    Args:
        weight: [out, d].
        levels: codes on the grid.
        symmetric: fix the zero point at (levels - 1) // 2 and make the range symmetric about 0.

    Returns:
        The grid, on the weight's device. A channel that is zero throughout gets scale 1.

    Raises:
        ValueError: the weight is not a finite matrix, or levels is not 2 to 256.
    """
    weight = finite_matrix("weight", weight).float()
    out, d = weight.shape
    scale = torch.empty(out, device=weight.device)
    zero_point = torch.empty(out, dtype=torch.int32, device=weight.device)
    rows = max(1, CHUNK // max(1, d))
    for start in range(0, out, rows):
        part = slice(start, start + rows)
        scale[part], zero_point[part] = _search_rows(weight[part], levels, symmetric)
    return Grid(scale, zero_point, levels)


def _search_rows(weight: Tensor, levels: int, symmetric: bool) -> tuple[Tensor, Tensor]:
    low = weight.amin(1).clamp(max=0)
    high = weight.amax(1).clamp(min=0)
    if symmetric:
        high = torch.maximum(-low, high)
        low = -high
    shrink = 1 - torch.arange(CANDIDATES, device=weight.device, dtype=torch.float64) / 100
    shrink = shrink.float()[:, None]
    scale = (shrink * high - shrink * low) / (levels - 1)  # [candidates, rows]
    empty = scale < torch.finfo(torch.float32).tiny
    zero_point = torch.round(-shrink * low / scale).clamp(0, levels - 1)
    zero_point[empty | symmetric] = (levels - 1) // 2
    scale[empty] = 1

    chunk = max(1, CHUNK // weight.numel())
    errors = [
        _errors(weight, s, z, levels)
        for s, z in zip(scale.split(chunk), zero_point.split(chunk), strict=True)
    ]
    best = torch.cat(errors).argmin(0, keepdim=True)
    return scale.gather(0, best)[0], zero_point.gather(0, best)[0].to(torch.int32)


def _errors(weight: Tensor, scale: Tensor, zero_point: Tensor, levels: int) -> Tensor:
    """Sum over d of |quantized - weight|^2.4, for each candidate and row: [candidates, rows]."""
    scale, zero_point = scale[:, :, None], zero_point[:, :, None]
    code = (weight / scale).round_().add_(zero_point).clamp_(0, levels - 1)
    return code.sub_(zero_point).mul_(scale).sub_(weight).abs_().pow_(NORM).sum(2)


def nearest(weight: Tensor, grid: Grid) -> Tensor:
    """Round each weight to the nearest point of its channel's grid.

    Args:
        weight: [out, d], float32 or float64 (the rounding is done in its precision).
        grid: of the same channels.

    Returns:
        Codes, uint8 [out, d].

    Raises:
        ValueError: the weight is not a finite matrix, or the grid has other channels.
    """
    weight = finite_matrix("weight", weight)
    if len(grid.scale) != len(weight):
        raise ValueError(f"grid: {len(grid.scale)} channels for a weight of {len(weight)}")
    scale, zero_point = grid.columns(weight.dtype)
    return _nearest(weight, scale, zero_point, grid.levels).to(torch.uint8)


def _nearest(weight: Tensor, scale: Tensor, zero_point: Tensor, levels: int) -> Tensor:
    return (torch.round(weight / scale) + zero_point).clamp(0, levels - 1)


def dequantize(codes: Tensor, grid: Grid) -> Tensor:
    """The weights that codes stand for: scale * (code - zero_point), float32 [..., out, d].

    The difference is exact and the product is rounded once, so equal codes and grids give equal
    bits on every device. Codes of several layers [layers, out, d] are on one grid after the other.
    """
    scale, zero_point = (x.view(*codes.shape[:-1], 1) for x in grid.columns(torch.float32))
    return scale * (codes.float() - zero_point)


def finite_matrix(name: str, matrix: Tensor) -> Tensor:
    """The matrix itself, or a ValueError that names it and the first row that is not finite."""
    if matrix.ndim != 2 or 0 in matrix.shape or not matrix.is_floating_point():
        raise ValueError(
            f"{name}: expected a floating-point matrix, not {matrix.dtype} {list(matrix.shape)}"
        )
    bad = ~torch.isfinite(matrix).all(1)
    if bad.any():
        raise ValueError(f"{name}: row {int(bad.nonzero()[0])} has values that are not finite")
    return matrix
