"""Showing a row to people: its features as a field of squares, in their order, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: Axes, row: np.ndarray, details: Mapping[str, Any]) -> None:
    """Draw a row [features]: grey from its least value to its largest, white where it ends."""
    side = ceil(sqrt(len(row)))
    field = np.full(side * ceil(len(row) / side), np.nan)
    field[: len(row)] = row
    axes.imshow(field.reshape(-1, side), cmap="gray_r", interpolation="nearest")
