"""Forest plots: a row a variant, an estimate and its interval in it, lying.

Where an axis is cut, so that one wide interval does not squeeze all others, what goes on beyond it
ends in a caret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant


def colours(variants: Sequence[Variant]) -> list[str]:
    """The colour of each variant's row, its method's."""
    found = style.colours(variants)
    return [found[variant.method] for variant in variants]


def rows(axis: Axes, variants: Sequence[Variant]) -> None:
    """One row a variant, from the top, named at the left; a line between methods."""
    axis.set_yticks(range(len(variants)), [style.name(variant) for variant in variants], fontsize=8)
    axis.set_ylim(len(variants) - 0.4, -0.6)
    axis.grid(False, axis="y")
    for place in range(1, len(variants)):
        if variants[place].method != variants[place - 1].method:
            axis.axhline(place - 0.5, color=style.FAINT, linewidth=0.8)


def intervals(
    axis: Axes,
    places: np.ndarray,
    values: np.ndarray,
    row_colours: Sequence[str],
    mark: Mapping[str, Any],
    limits: tuple[float, float] | None = None,
) -> None:
    """Estimates with their intervals, lying, one a row; those that are NaN are left out.

    Args:
        places: [rows], from the top.
        values: estimate, low and high, [rows, 3]. An estimate may lie outside its interval.
        mark: how the estimates look.
        limits: where the axis is cut: an interval that goes on beyond it ends in a caret, and an
            estimate beyond it is written there.
    """
    for place, (value, low, high), colour in zip(places, values, row_colours, strict=True):
        if np.isnan(value):
            continue
        axis.hlines(place, low, high, colour, linewidth=1)
        axis.plot([value], [place], color=colour, linestyle="none", **mark)
        if limits is not None:
            _cut(axis, place, (value, low, high), colour, limits)
    if limits is not None:
        axis.set_xlim(limits)


def _cut(
    axis: Axes,
    place: float,
    values: tuple[float, float, float],
    colour: str,
    limits: tuple[float, float],
) -> None:
    value, low, high = values
    ends = (
        (limits[0], min(low, value) < limits[0], value < limits[0], "left"),
        (limits[1], max(high, value) > limits[1], value > limits[1], "right"),
    )
    for edge, cut, outside, side in ends:
        if cut:
            style.caret(axis, edge, place, colour, side)
        if outside:
            inward = 4 if side == "left" else -4
            axis.annotate(
                f"{value:.3g}",
                (edge, place),
                (inward, 2),
                textcoords="offset points",
                fontsize=7,
                ha=side,
            )
