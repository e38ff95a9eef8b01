"""What rows of features must be to be audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def check(what: str, rows: np.ndarray, details: Mapping[str, Any]) -> None:
    """Refuse an array that holds no rows float32 [N, features], or none that are finite.

    Raises:
        ValueError: begins with `what`, and says what is allowed.
    """
    if rows.dtype != np.float32:
        raise ValueError(f"{what} are {rows.dtype}; allowed: float32")
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"{what} have shape {rows.shape}; allowed: [samples, features], none of them 0"
        )
    names = details.get("features", ())
    if names and len(names) != rows.shape[1]:
        raise ValueError(f"{what} have {rows.shape[1]} features, and {len(names)} names of such")
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        sample, feature = wrong[0]
        name = names[feature] if names else feature
        raise ValueError(f"{what}: sample {sample}, feature {name}: not a finite float32")


def check_statistics(what: str, statistics: dict[str, tuple[float, ...]]) -> None:
    """Refuse rows that are all alike. A feature may be: it is left at 0.

    Raises:
        ValueError: no feature differs between two rows.
    """
    if not any(statistics["scale"]):
        raise ValueError(f"{what}: all rows are the same; a classifier needs features that differ")
