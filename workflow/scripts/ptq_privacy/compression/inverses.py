"""Inverses of layers' second moments, which say how the other weights make up for one's rounding.

Inputs that always go together leave a second moment without an inverse; a little on its diagonal
gives it one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptq_privacy.compression.grid import Grid, finite_matrix

SINGULAR_DAMPING = 1e-2  # of the mean diagonal; 1e-6 left NaN in rank-deficient layers


def damped_inverses(hessian: Tensor, damping: float) -> Tensor:
    """Inverses of damped second moments, by Cholesky; damped further where one is singular.

    Args:
        hessian: [layers, d, d], symmetric.
        damping: added to each diagonal, relative to its mean.

    Raises:
        ValueError: one of them has a negative eigenvalue.
    """
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    smallest = hessian.shape[1] * torch.finfo(hessian.dtype).eps * diagonal.amax(1)
    eye = torch.eye(hessian.shape[1], dtype=hessian.dtype, device=hessian.device)
    inverses = torch.empty_like(hessian)
    left = torch.arange(len(hessian), device=hessian.device)
    for strength in (damping, max(damping, SINGULAR_DAMPING)):
        by = strength * diagonal[left].mean(1)
        factor, failed = torch.linalg.cholesky_ex(hessian[left] + by[:, None, None] * eye)
        pivots = factor.diagonal(dim1=1, dim2=2).square().amin(1)
        good = (failed == 0) & (pivots > smallest[left])
        inverses[left[good]] = torch.cholesky_inverse(factor[good])
        left = left[~good]
    if len(left):
        raise ValueError("hessian: not positive semi-definite")
    return inverses


def check_layer(weight: Tensor, hessian: Tensor, grid: Grid) -> None:
    """Refuse a weight [out, d], a second moment [d, d] and a grid that are not of one layer.

    Raises:
        ValueError: weight or hessian is not a finite matrix, or shapes do not fit; names which.
    """
    out, d = finite_matrix("weight", weight).shape
    if finite_matrix("hessian", hessian).shape != (d, d):
        raise ValueError(f"hessian: expected [{d}, {d}], not {list(hessian.shape)}")
    if len(grid.scale) != out:
        raise ValueError(f"grid: {len(grid.scale)} channels for a weight of {out}")
