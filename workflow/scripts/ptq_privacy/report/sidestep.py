"""Marks that would hide each other, moved sideways until each can be seen.

Many variants are as accurate as full precision and leak as much, so their marks fall on one spot.
They are moved along their own height alone: what is read off upwards stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes

GAP = 1
"""Points between marks."""
BAR_GAP = 2.5
"""Points between the upright bars of marks of different heights."""


def moved(
    axis: Axes,
    x: np.ndarray,
    y: np.ndarray,
    sizes: Sequence[float],
    bars: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Where marks of one panel go from `x`, float64 [marks], in the units of its axis.

    Args:
        axis: the panel, its limits and the figure's layout settled.
        x, y: where they belong, in its units.
        sizes: their widths in points.
        bars: lower and upper ends of their upright bars, in its units.
    """
    if not len(x):
        return np.zeros(0)
    points = 72 / axis.figure.dpi

    def places(heights: np.ndarray) -> np.ndarray:
        return points * axis.transData.transform(np.column_stack([x, heights]))

    right, up = places(y).T
    ends = None if bars is None else list(zip(*(places(end)[:, 1] for end in bars), strict=True))
    bounds = points * axis.bbox.x0, points * axis.bbox.x1
    shift = offsets(right, up, sizes, bounds, ends)
    back = axis.transData.inverted().transform(np.column_stack([right + shift, up]) / points)
    return np.where(shift == 0, x, back[:, 0])


def offsets(
    x: Sequence[float],
    y: Sequence[float],
    sizes: Sequence[float],
    bounds: tuple[float, float],
    bars: Sequence[tuple[float, float]] | None = None,
) -> np.ndarray:
    """How far each mark moves to the right, float64 [marks]; everything is in points.

    The first stays where it is; each other takes the nearest free place, the left one of two. Where
    a panel has none left, it takes the one where least is hidden.

    Args:
        x, y: where the marks belong.
        sizes: their widths.
        bounds: what no mark may leave.
        bars: the lower and upper ends of their upright bars, to be kept apart as well.
    """
    moved = np.asarray(x, dtype=np.float64).copy()
    for mark in range(1, len(moved)):
        margin, least = sizes[mark] / 2, np.inf
        best = moved[mark]
        for place in _places(x[mark], bounds[0] + margin, bounds[1] - margin):
            moved[mark] = place
            hidden = sum(_hidden(mark, other, moved, y, sizes, bars) for other in range(mark))
            if hidden < least:
                least, best = hidden, place
            if least == 0:
                break
        moved[mark] = best
    return moved - np.asarray(x, dtype=np.float64)


def _places(x: float, left: float, right: float) -> Iterator[float]:
    """Where a mark may go: its own place, then by steps of a point to either side."""
    yield x
    for step in range(1, int(right - left) + 1):
        yield from (place for place in (x - step, x + step) if left <= place <= right)


def _hidden(
    one: int,
    other: int,
    x: np.ndarray,
    y: Sequence[float],
    sizes: Sequence[float],
    bars: Sequence[tuple[float, float]] | None,
) -> float:
    """How much of one mark or its bar the other hides, in parts of its width."""
    across, apart = abs(x[one] - x[other]), (sizes[one] + sizes[other]) / 2 + GAP
    if across < apart and abs(y[one] - y[other]) < apart:
        return float(1 - across / apart)
    if bars is None or across >= BAR_GAP:
        return 0
    meet = max(bars[one][0], bars[other][0]) < min(bars[one][1], bars[other][1])
    return float(1 - across / BAR_GAP) if meet else 0
