"""The trade-off of the study's Figure 1: what a variant keeps in accuracy and gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ptq_privacy.report import sidestep, style
from ptq_privacy.report.quoted import Quoted, note, quoted
from ptq_privacy.study.variants import Variant

COLLAPSED = 0.75
"""A network that keeps less of full precision's accuracy stands in a strip of its own, so that it
does not squeeze the others."""
ACROSS = 2
"""Adversaries side by side: so that letters stay large enough on a page."""


def draw(table: pd.DataFrame, title: str, attack: str) -> Figure:
    """Test accuracy against what one attack finds, a panel an adversary.

    Bars: 95 % interval of the leakage; one standard deviation over targets of the accuracy.

    Args:
        table: one network's rows of the summary.
        attack: whose scores are drawn.
    """
    chosen = table[table["attack"] == attack]
    nonmembers = int(chosen["nonmembers"].min())
    measure = quoted(nonmembers)
    adversaries = list(chosen["adversary"].unique())
    variants = [Variant.recorded(text) for text in chosen["variant"].unique()]
    collapsed = _collapsed(chosen)
    # A strip, where there is one, before each panel.
    widths = [*((1,) if collapsed.any() else ()), 3.4]
    across = min(len(adversaries), ACROSS)
    figure, axes = plt.subplots(
        -(-len(adversaries) // across),
        across * len(widths),
        figsize=(
            (4.2 if len(widths) == 1 else 4.7) * across,
            0.4 + 3.6 * -(-len(adversaries) // across),
        ),
        sharey=True,
        squeeze=False,
        width_ratios=widths * across,
        layout="constrained",
    )
    every = axes.reshape(-1, len(widths))
    panels, spare = every[: len(adversaries)], every[len(adversaries) :]
    for axis in spare.ravel():
        axis.set_visible(False)
    for row, adversary in zip(panels, adversaries, strict=True):
        shown = (chosen["adversary"] == adversary) | (chosen["variant"] == "full")
        row[0].set_title(f"to the {adversary} adversary", loc="left", fontsize=9)
        row[-1].set_xlabel("test accuracy (%)")
        if len(row) > 1:
            _limit(row[0], chosen[collapsed])
            row[0].set_xlabel("collapsed (%)")
            row[0].xaxis.set_major_locator(MaxNLocator(2))
        _limit(row[-1], chosen[~collapsed])
        last = adversary == adversaries[-1] or (adversaries.index(adversary) + 1) % across == 0
        style.chance(row[-1], measure.chance, named=last)
        if len(row) > 1:
            style.chance(row[0], measure.chance, named=False)
            _broken(row[0], row[1])
    axes[0, 0].set_ylim(measure.heights(chosen))
    for axis in axes[:, 0]:
        axis.set_ylabel(measure.label)
    style.title(
        figure,
        f"{title}: leakage to {style.score_title(attack)} against accuracy",
        note(nonmembers),
    )
    style.legend_beside(figure, style.key(variants, variants, style.mark))
    for row, adversary in zip(panels, adversaries, strict=True):
        shown = (chosen["adversary"] == adversary) | (chosen["variant"] == "full")
        _marks(row[-1], chosen[shown & ~collapsed], variants, measure)
        if len(row) > 1:
            _marks(row[0], chosen[shown & collapsed], variants, measure)
    return figure


def _collapsed(rows: pd.DataFrame) -> pd.Series:
    accuracy = rows["test_accuracy_mean"]
    return accuracy < COLLAPSED * accuracy[rows["variant"] == "full"].iloc[0]


def _limit(axis: Axes, rows: pd.DataFrame) -> None:
    """Room for all marks, in per cent; a wide bar does not squeeze them, it is cut."""
    low, high = 100 * rows["test_accuracy_mean"].min(), 100 * rows["test_accuracy_mean"].max()
    usual = 100 * rows["test_accuracy_std"].fillna(0).median()
    room = 0.08 * (high - low) + 1.5 * usual + 0.2
    axis.set_xlim(max(low - room, 0), min(high + room, 100 + 0.5 * room))


def _broken(left: Axes, right: Axes) -> None:
    """Slanted strokes where the axis of accuracy is broken."""
    right.spines["left"].set_visible(False)
    right.tick_params(left=False)
    slanted: dict[str, Any] = {
        "marker": [(-0.6, -1), (0.6, 1)],
        "markersize": 7,
        "linestyle": "none",
    }
    for axis, place in ((left, 1), (right, 0)):
        axis.plot([place], [0], color="k", clip_on=False, transform=axis.transAxes, **slanted)


def _marks(axis: Axes, rows: pd.DataFrame, variants: Sequence[Variant], measure: Quoted) -> None:
    """Each variant's mark and bars, in the axis's final place and limits."""
    accuracy = 100 * rows["test_accuracy_mean"].to_numpy()
    deviation = 100 * rows["test_accuracy_std"].fillna(0).to_numpy()
    mean, low, high = measure.values(rows)
    shown = [Variant.recorded(text) for text in rows["variant"]]
    beside = sidestep.moved(axis, accuracy, mean, [style.mark_size(v) for v in shown], (low, high))
    colours = style.colours(variants)
    for place, variant in enumerate(shown):
        colour, x, y = colours[variant.method], beside[place], mean[place]
        axis.vlines(x, low[place], high[place], colour, linewidth=0.8, alpha=0.7)
        _across(axis, (accuracy[place], deviation[place]), x, y, colour)
        axis.plot([x], [y], color=colour, zorder=3, **style.mark(variant, variants))


def _across(axis: Axes, accuracy: tuple[float, float], x: float, y: float, colour: str) -> None:
    """The bar of the accuracy's deviation, as far as a mark that was moved to `x`."""
    mean, deviation = accuracy
    ends = min(mean - deviation, x), max(mean + deviation, x)
    axis.hlines(y, *ends, colour, linewidth=0.8, alpha=0.7)
    if x != mean:
        axis.plot([mean], [y], ".", color=colour, markersize=3)
    left, right = axis.get_xlim()
    if ends[0] < left:
        style.caret(axis, left, y, colour, "left")
    if ends[1] > right:
        style.caret(axis, right, y, colour, "right")
