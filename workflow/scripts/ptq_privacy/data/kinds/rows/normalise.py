"""Normalising rows: each feature's mean over the audit pool is removed, and its scale.

The scale of a number is its deviation. A feature of nothing but 0 and 1 stays as large as it is:
its deviation would make the loudest feature of what hardly any row has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def statistics(rows: np.ndarray, details: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """`mean` and `scale` of each feature of rows [N, features]; a constant one has a scale of 0."""
    constant = (rows == rows[0]).all(axis=0)
    mean = np.where(constant, rows[0], rows.mean(axis=0, dtype=np.float64))
    indicator = ((rows == 0) | (rows == 1)).all(axis=0)
    deviation = np.where(indicator, 1, rows.std(axis=0, dtype=np.float64))
    scale = np.where(constant, 0, deviation)
    return {"mean": tuple(mean.tolist()), "scale": tuple(scale.tolist())}


def apply(rows: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
    """Rows [N, features] with mean and scale removed, float32.

    A feature that is constant in the audit pool becomes 0 wherever it is as there, and its distance
    from that elsewhere.

    Args:
        rows: of any floating-point type, on the statistics' device.
        statistics: `mean` and `scale`, float32 [features].
    """
    mean, scale = statistics["mean"], statistics["scale"]
    return (rows.float() - mean) / scale.where(scale > 0, 1.0)
