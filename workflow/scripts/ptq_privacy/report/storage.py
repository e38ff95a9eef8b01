"""Leakage against what is stored: bits per weight, and the fraction of weights that are zero.

Three levels mean many zeros, and sparsity alone has been reported to hide training data; the two
panels side by side show which of the two the leakage follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptq_privacy.report import sidestep, style
from ptq_privacy.report.quoted import Quoted, note, quoted
from ptq_privacy.study.variants import Variant


def draw(table: pd.DataFrame, title: str, attack: str) -> Figure:
    """What one attack finds against bits and against zeros, and a row an adversary.

    Args:
        table: one network's rows of the summary.
        attack: whose scores are drawn.
    """
    chosen = table[table["attack"] == attack]
    nonmembers = int(chosen["nonmembers"].min())
    measure = quoted(nonmembers)
    adversaries = list(chosen["adversary"].unique())
    variants = [Variant.recorded(text) for text in chosen["variant"].unique()]
    # A mark's width for each method in each recipe's place.
    marks = len(_places(chosen)) * len(style.colours(variants))
    widths = (max(4.0, 0.11 * marks), 5.2)
    figure, axes = plt.subplots(
        len(adversaries),
        2,
        figsize=(sum(widths) + 0.6, 3.0 * len(adversaries) + 0.8),
        sharex="col",
        sharey=True,
        squeeze=False,
        width_ratios=widths,
        layout="constrained",
    )
    parts = []
    for row, adversary in zip(axes, adversaries, strict=True):
        own = chosen[(chosen["adversary"] == adversary) | (chosen["variant"] == "full")]
        parts.append(own)
        row[0].set_title(f"to the {adversary} adversary", loc="left", fontsize=9)
        row[0].set_ylabel(measure.label)
        for axis in row:
            style.chance(axis, measure.chance, named=axis is row[-1])
    _recipes(axes[-1, 0], chosen, variants)
    axes[-1, 1].set_xlim(*_zeros(chosen))
    axes[-1, 1].set_xlabel("zero weights (%)")
    axes[0, 0].set_ylim(measure.heights(chosen))
    style.title(
        figure,
        f"{title}: leakage to {style.score_title(attack)} against storage",
        note(nonmembers),
    )
    style.legend_beside(figure, style.key(variants, variants, style.mark))
    for (left, right), own in zip(axes, parts, strict=True):
        _by_bits(left, own, variants, measure)
        _by_zeros(right, own, variants, measure)
    return figure


def _recipes(axis: Axes, rows: pd.DataFrame, variants: Sequence[Variant]) -> None:
    """A place for each recipe, with the bits that its methods store a weight in."""
    places = _places(rows)
    stored = rows.groupby("variant")["bits_per_weight"].first()
    of_place: dict[int, list[float]] = {}
    for variant in variants:
        of_place.setdefault(places[variant.widths], []).append(stored[str(variant)])
    texts = []
    for place in sorted(of_place):
        low, high = (f"{bound:.2f}" for bound in (min(of_place[place]), max(of_place[place])))
        texts.append(low if low == high else f"{low}\nto {high}")
    axis.set_xticks(range(len(texts)), texts)
    axis.set_xlim(-0.6, len(texts) - 0.4)
    axis.set_xlabel("bits a weight as stored (not to scale)")


def _places(rows: pd.DataFrame) -> dict[str, int]:
    """The place of each recipe, by what it stores on average."""
    recipes = [Variant.recorded(text).widths for text in rows["variant"]]
    means = rows["bits_per_weight"].groupby(recipes).mean()
    ordered = sorted(means.index, key=lambda recipe: (means[recipe], recipe))
    return {recipe: place for place, recipe in enumerate(ordered)}


def _by_bits(axis: Axes, rows: pd.DataFrame, variants: Sequence[Variant], measure: Quoted) -> None:
    """Methods side by side in each recipe's place, in the study's order."""
    places = _places(rows)
    colours = style.colours(variants)
    methods = [method for method in colours if method is not None]
    step = 0.8 / max(len(methods), 1)
    for text, mean, low, high in zip(rows["variant"], *measure.values(rows), strict=True):
        variant = Variant.recorded(text)
        x = float(places[variant.widths])
        if variant.method is not None:
            x += step * (methods.index(variant.method) - (len(methods) - 1) / 2)
        colour = colours[variant.method]
        axis.vlines(x, low, high, colour, linewidth=0.8, alpha=0.7)
        axis.plot([x], [mean], color=colour, zorder=3, **style.mark(variant, variants))
    axis.grid(False, axis="x")


def _zeros(rows: pd.DataFrame) -> tuple[float, float]:
    low, high = 100 * rows["zero_fraction"].min(), 100 * rows["zero_fraction"].max()
    room = 0.06 * (high - low) + 0.5
    return low - room, high + room


def _by_zeros(axis: Axes, rows: pd.DataFrame, variants: Sequence[Variant], measure: Quoted) -> None:
    """Where methods have equally many zeros, their marks stand side by side."""
    x = 100 * rows["zero_fraction"].to_numpy()
    shown = [Variant.recorded(text) for text in rows["variant"]]
    mean, low, high = measure.values(rows)
    beside = sidestep.moved(axis, x, mean, [style.mark_size(variant) for variant in shown])
    colours = style.colours(variants)
    for place, variant in enumerate(shown):
        colour = colours[variant.method]
        axis.vlines(beside[place], low[place], high[place], colour, linewidth=0.8, alpha=0.3)
        if beside[place] != x[place]:
            axis.hlines(mean[place], x[place], beside[place], colour, linewidth=0.8)
        axis.plot(
            [beside[place]], [mean[place]], color=colour, zorder=3, **style.mark(variant, variants)
        )
