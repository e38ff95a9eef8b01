"""The trade-off of the study's Figure 1: what a precision keeps in accuracy and gives away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ptq_privacy.experiment import Precision
from ptq_privacy.report import style
from ptq_privacy.report.summary import TPR


def plot(
    table: pd.DataFrame, dataset: str, arch: str, attack: str, paths: Sequence[str | Path]
) -> None:
    """Test accuracy against TPR@0.1%FPR of one attack, a panel an adversary.

    Bars: 95 % interval of the TPR; one standard deviation over targets of the accuracy.
    """
    chosen = table[
        (table["dataset"] == dataset) & (table["arch"] == arch) & (table["attack"] == attack)
    ]
    adversaries = list(chosen["adversary"].unique())
    precisions = [Precision.parse(text) for text in chosen["precision"].unique()]
    figure, axes = plt.subplots(
        1, len(adversaries), figsize=(4.2 * len(adversaries), 3.8), sharey=True, squeeze=False
    )
    with style.saved(figure, paths):
        for axis, adversary in zip(axes[0], adversaries, strict=True):
            shown = (chosen["adversary"] == adversary) | (chosen["precision"] == "full")
            _panel(axis, chosen[shown], precisions)
            axis.set_title(f"{adversary} shadow models", loc="left")
        axes[0, 0].set_ylabel("TPR at 0.1 % FPR (%)")
        figure.suptitle(
            f"{dataset}, {arch}: leakage to {style.ATTACKS[attack]} against accuracy",
            x=0.01,
            ha="left",
        )
        figure.legend(
            handles=_legend(precisions), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8
        )
        figure.tight_layout()


def _panel(axis: Axes, rows: pd.DataFrame, precisions: Sequence[Precision]) -> None:
    for _, row in rows.iterrows():
        precision = Precision.parse(row["precision"])
        look = style.look(precision, precisions)
        tpr = 100 * row[f"{TPR}_mean"]
        axis.errorbar(
            100 * row["test_accuracy_mean"],
            tpr,
            xerr=100 * row["test_accuracy_std"],
            yerr=[[tpr - 100 * row[f"{TPR}_low"]], [100 * row[f"{TPR}_high"] - tpr]],
            color=style.colour(precision),
            marker=look["marker"],
            markersize=look["markersize"],
            fillstyle=look["fillstyle"],
            elinewidth=0.8,
            alpha=0.9,
        )
    axis.axhline(0.1, color="#555555", linewidth=0.8, linestyle=":")
    axis.text(0.99, 0.1, "chance", transform=axis.get_yaxis_transform(), ha="right", fontsize=7)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("test accuracy (%)")


def _legend(precisions: Sequence[Precision]) -> list[Line2D]:
    """Colours for methods, markers for bits: as many entries as kinds, not as points."""
    quantized = [precision for precision in precisions if precision.quantized]
    handles = [_handle("full precision", precisions[0], precisions, style.FULL_COLOUR)]
    for method in dict.fromkeys(precision.method for precision in quantized):
        label = style.name(Precision(method, 4.0)).removesuffix(" 4 bits")
        handles.append(Line2D([], [], color=style.COLOURS[method or ""], linewidth=4, label=label))
    shapes = {(precision.bits, precision.head_bits): precision for precision in quantized}
    for (bits, head_bits), precision in shapes.items():
        head = "" if head_bits is None else f", head {head_bits:g}"
        handles.append(_handle(f"{bits:g} bits{head}", precision, precisions, "#555555"))
    return handles


def _handle(
    label: str, precision: Precision, precisions: Sequence[Precision], colour: str
) -> Line2D:
    look = style.look(precision, precisions)
    return Line2D([], [], color=colour, label=label, **{**look, "linestyle": "none"})
