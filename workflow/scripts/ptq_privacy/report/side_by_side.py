"""Transfer against adaptive: how much of the apparent gain in privacy adapting takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant

KINDS = {"difference": "adaptive_minus_transfer", "taken_back": "taken_back"}
LOOKS: dict[str, dict[str, Any]] = {
    "transfer": {"color": "#0072B2", "marker": "o", "fillstyle": "none"},
    "adaptive": {"color": "#D55E00", "marker": "s", "fillstyle": "full"},
}
BOTH = {"color": "#000000", "marker": "D", "fillstyle": "full"}
SHARE_LIMITS = (-100, 200)
"""Per cent. A share of a small gain can be anything; beyond these its bar goes on unseen."""


def side_by_side(compared: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """One row an attack and quantized variant of one network, rates as fractions.

    Args:
        compared: the network's comparisons, both adversaries among them.
        summary: the network's rows of the summary.

    Returns:
        Columns `attack`, `variant`, `full` (TPR@0.1%FPR at full precision), and for each of
        `transfer`, `adaptive`, `difference` (adaptive - transfer) and `taken_back` (the share of
        full - transfer that this is; NaN where there is no gain to share) the value, `_low` and
        `_high`; `p_value` of the difference and `supported` (whether non-members resolve the FPR).
    """
    keys = ["attack", "variant"]
    full = summary[summary["variant"] == "full"].set_index("attack")[f"{TPR}_mean"]
    chosen = compared[compared["metric"] == TPR]
    table = chosen.loc[chosen["kind"] == "adaptive_minus_transfer", [*keys, "p_value", "supported"]]
    table = table.assign(full=table["attack"].map(full))
    for adversary in LOOKS:
        own = summary[summary["adversary"] == adversary]
        parts = {f"{TPR}_mean": adversary, f"{TPR}_low": f"{adversary}_low"}
        parts |= {f"{TPR}_high": f"{adversary}_high"}
        table = table.merge(own[[*keys, *parts]].rename(columns=parts), on=keys, validate="1:1")
    for column, kind in KINDS.items():
        own = chosen[chosen["kind"] == kind]
        parts = {"estimate": column, "low": f"{column}_low", "high": f"{column}_high"}
        table = table.merge(own[[*keys, *parts]].rename(columns=parts), on=keys, validate="1:1")
    return table


def plot(
    table: pd.DataFrame,
    attacks: Sequence[str],
    title: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """A row of three panels an attack: both rates, their difference, and the share taken back.

    Args:
        table: what `side_by_side` returned.
    """
    variants = list(table["variant"].unique())
    height = 0.19 * len(variants) + 1.1
    figure, axes = plt.subplots(
        len(attacks),
        3,
        figsize=(9.5, height * len(attacks) + 0.3),
        sharey=True,
        sharex="col",
        squeeze=False,
        width_ratios=(1.3, 1, 1),
    )
    with style.saved(figure, paths, origin):
        for row, attack in zip(axes, attacks, strict=True):
            own = table[table["attack"] == attack].set_index("variant").loc[variants]
            _rates(row[0], own)
            _interval(row[1], own, "difference")
            _interval(row[2], own, "taken_back")
            row[2].axvline(100, color="#555555", linewidth=0.8, linestyle=":")
            row[2].set_xlim(SHARE_LIMITS)
            row[0].set_title(style.score_title(attack), loc="left")
            _stripe(row, variants)
        axes[0, 0].invert_yaxis()
        axes[0, 0].set_xlim(left=0)  # of both rows, so once both are drawn
        labels = ("TPR at 0.1 % FPR (%)", "adaptive - transfer (points)", "gain taken back (%)")
        for axis, label in zip(axes[-1], labels, strict=True):
            axis.set_xlabel(label)
        figure.suptitle(f"{title}: does adapting to the quantization help?", x=0.01, ha="left")
        style.legend_beside(figure, _legend())
        figure.tight_layout()


def _rates(axis: Axes, own: pd.DataFrame) -> None:
    axis.axvline(100 * own["full"].iloc[0], color=style.FULL_COLOUR, linewidth=1)
    for shift, (adversary, look) in zip((-0.17, 0.17), LOOKS.items(), strict=True):
        _bars(axis, own, adversary, shift, look)


def _interval(axis: Axes, own: pd.DataFrame, column: str) -> None:
    _bars(axis, own, column, 0, BOTH)
    axis.axvline(0, color="#555555", linewidth=0.8, linestyle=":")


def _bars(
    axis: Axes, own: pd.DataFrame, column: str, shift: float, look: Mapping[str, Any]
) -> None:
    """Marks with their intervals, one a line; a plain line, since an estimate may lie outside."""
    place = np.arange(len(own)) + shift
    axis.hlines(place, 100 * own[f"{column}_low"], 100 * own[f"{column}_high"], look["color"], lw=1)
    axis.plot(100 * own[column], place, linestyle="none", markersize=4.5, **look)


def _stripe(row: Sequence[Axes], variants: Sequence[str]) -> None:
    names = [style.name(Variant.recorded(variant)) for variant in variants]
    for axis in row:
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.grid(False, axis="y")
        methods = [Variant.recorded(variant).method for variant in variants]
        for place in range(1, len(names)):
            if methods[place] != methods[place - 1]:
                axis.axhline(place - 0.5, color="#cccccc", linewidth=0.8)


def _legend() -> list[Line2D]:
    handles = [Line2D([], [], color=style.FULL_COLOUR, linewidth=1, label="full precision")]
    for label, look in {**LOOKS, "difference,\nshare": BOTH}.items():
        handles.append(Line2D([], [], label=label, linewidth=1, markersize=4.5, **look))
    return handles
