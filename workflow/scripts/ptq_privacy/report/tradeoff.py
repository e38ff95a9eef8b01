"""The trade-off of the study's Figure 1: what a variant keeps in accuracy and gives away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant


def plot(
    table: pd.DataFrame,
    dataset: str,
    network: str,
    attack: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """Test accuracy against TPR@0.1%FPR of one attack, a panel an adversary.

    Bars: 95 % interval of the TPR; one standard deviation over targets of the accuracy.
    """
    chosen = table[
        (table["dataset"] == dataset) & (table["network"] == network) & (table["attack"] == attack)
    ]
    adversaries = list(chosen["adversary"].unique())
    variants = [Variant.recorded(text) for text in chosen["variant"].unique()]
    figure, axes = plt.subplots(
        1, len(adversaries), figsize=(4.2 * len(adversaries), 3.8), sharey=True, squeeze=False
    )
    with style.saved(figure, paths, origin):
        for axis, adversary in zip(axes[0], adversaries, strict=True):
            shown = (chosen["adversary"] == adversary) | (chosen["variant"] == "full")
            _panel(axis, chosen[shown], variants)
            axis.set_title(f"{adversary} shadow models", loc="left")
        axes[0, 0].set_ylabel("TPR at 0.1 % FPR (%)")
        figure.suptitle(
            f"{dataset}, {network}: leakage to {style.score_title(attack)} against accuracy",
            x=0.01,
            ha="left",
        )
        style.legend_beside(figure, legend(variants))
        figure.tight_layout()


def _panel(axis: Axes, rows: pd.DataFrame, variants: Sequence[Variant]) -> None:
    left = _left_edge(rows)
    for _, row in rows.iterrows():
        variant = Variant.recorded(row["variant"])
        look = style.look(variant, variants)
        accuracy, deviation = 100 * row["test_accuracy_mean"], 100 * row["test_accuracy_std"]
        tpr = 100 * row[f"{TPR}_mean"]
        beyond = accuracy < left
        axis.errorbar(
            left if beyond else accuracy,
            tpr,
            xerr=None if beyond else deviation,
            yerr=[[tpr - 100 * row[f"{TPR}_low"]], [100 * row[f"{TPR}_high"] - tpr]],
            color=style.colours(variants)[variant.method],
            marker=look["marker"],
            markersize=look["markersize"],
            fillstyle=look["fillstyle"],
            elinewidth=0.8,
            alpha=0.9,
            clip_on=not beyond,
        )
    lost = 100 * rows["test_accuracy_mean"][100 * rows["test_accuracy_mean"] < left]
    if len(lost):
        note = f"← {lost.min():.0f} to {lost.max():.0f} %"
        highest = 100 * rows.loc[lost.index, f"{TPR}_mean"].max()
        axis.annotate(
            note,
            (left, highest),
            (6, 5),
            textcoords="offset points",
            fontsize=7,
            bbox={"color": "white", "pad": 0.5, "alpha": 0.8},
        )
    style.chance(axis, 0.1)
    axis.set_xlim(left=left)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("test accuracy (%)")


def _left_edge(rows: pd.DataFrame) -> float:
    """Where the axis begins, in per cent; collapsed networks, on its edge, must not squeeze others.

    A network has collapsed if it has lost more than a quarter of full precision's accuracy.
    """
    accuracy = rows["test_accuracy_mean"]
    kept = rows[accuracy > 0.75 * accuracy[rows["variant"] == "full"].iloc[0]]
    lowest = (kept["test_accuracy_mean"] - kept["test_accuracy_std"].fillna(0)).min()
    room = 0.06 * (accuracy.max() - lowest) + 1e-3
    return 100 * float(lowest - room)


def legend(variants: Sequence[Variant]) -> list[Line2D]:
    """Colours for methods, markers for bits: as many entries as kinds, not as points."""
    compressed = [variant for variant in variants if variant.compressed]
    colours = style.colours(variants)
    handles = [_handle("full precision", variants[0], variants, style.FULL_COLOUR)]
    for method in dict.fromkeys(variant.method for variant in compressed):
        label = style.method_title(str(method))
        handles.append(Line2D([], [], color=colours[method], linewidth=4, label=label))
    shapes = {(variant.bits, variant.head_bits): variant for variant in compressed}
    for (bits, head_bits), variant in shapes.items():
        head = "" if head_bits is None else f", head {head_bits:g}"
        handles.append(_handle(f"{bits:g} bits{head}", variant, variants, "#555555"))
    return handles


def _handle(label: str, variant: Variant, variants: Sequence[Variant], colour: str) -> Line2D:
    look = style.look(variant, variants)
    return Line2D([], [], color=colour, label=label, **{**look, "linestyle": "none"})
