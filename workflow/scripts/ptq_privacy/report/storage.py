"""Leakage against what is stored: bits per weight, and the fraction of weights that are zero.

Three levels mean many zeros, and sparsity alone has been reported to hide training data; the two
panels side by side show which of the two the leakage follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style, tradeoff
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant

AXES = {"bits_per_weight": "bits per weight as stored", "zero_fraction": "zero weights (%)"}
SIDESTEP = {"bits_per_weight": 0.055, "zero_fraction": 0.9}
"""Between methods, which would hide each other: they store equal widths alike. In factors of two
and in per cent of the weights."""


def plot(
    table: pd.DataFrame,
    dataset: str,
    network: str,
    attack: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """TPR@0.1%FPR of one attack against both, a column each, and a row an adversary."""
    chosen = table[
        (table["dataset"] == dataset) & (table["network"] == network) & (table["attack"] == attack)
    ]
    adversaries = list(chosen["adversary"].unique())
    variants = [Variant.recorded(text) for text in chosen["variant"].unique()]
    figure, axes = plt.subplots(
        len(adversaries),
        len(AXES),
        figsize=(4.2 * len(AXES), 3.0 * len(adversaries) + 0.6),
        sharex="col",
        sharey=True,
        squeeze=False,
    )
    with style.saved(figure, paths, origin):
        for row, adversary in zip(axes, adversaries, strict=True):
            shown = (chosen["adversary"] == adversary) | (chosen["variant"] == "full")
            for axis, column in zip(row, AXES, strict=True):
                _panel(axis, chosen[shown], column, variants)
            row[0].set_title(f"{adversary} shadow models", loc="left")
            row[0].set_ylabel("TPR at 0.1 % FPR (%)")
        for axis, (column, label) in zip(axes[-1], AXES.items(), strict=True):
            axis.set_xlabel(label)
            if column == "bits_per_weight":
                axis.set_xscale("log", base=2)
                axis.xaxis.set_major_formatter("{x:g}")
        axes[0, 0].set_ylim(bottom=0)
        figure.suptitle(
            f"{dataset}, {network}: leakage to {style.score_title(attack)} against storage",
            x=0.01,
            ha="left",
        )
        style.legend_beside(figure, tradeoff.legend(variants))
        figure.tight_layout()


def _panel(axis: Axes, rows: pd.DataFrame, column: str, variants: Sequence[Variant]) -> None:
    methods = dict.fromkeys(variant.method for variant in variants if variant.compressed)
    places, middle = {method: place for place, method in enumerate(methods)}, (len(methods) - 1) / 2
    for _, row in rows.iterrows():
        variant = Variant.recorded(row["variant"])
        look = style.look(variant, variants)
        tpr = 100 * row[f"{TPR}_mean"]
        step = SIDESTEP[column] * (places[variant.method] - middle if variant.compressed else 0)
        bits = column == "bits_per_weight"
        axis.errorbar(
            row[column] * 2**step if bits else 100 * row[column] + step,
            tpr,
            yerr=[[tpr - 100 * row[f"{TPR}_low"]], [100 * row[f"{TPR}_high"] - tpr]],
            color=style.colours(variants)[variant.method],
            marker=look["marker"],
            markersize=look["markersize"],
            fillstyle=look["fillstyle"],
            elinewidth=0.8,
            alpha=0.9,
        )
    style.chance(axis, 0.1)
