"""Transfer against adaptive: how much of the apparent gain in privacy adapting takes back."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.report import forest, style
from ptq_privacy.report.quoted import Quoted, note
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant

KINDS = {"difference": "adaptive_minus_transfer", "taken_back": "taken_back"}
SHARE_LIMITS = (-100, 200)
"""Per cent. A share of a small gain can be anything."""


def side_by_side(compared: pd.DataFrame, summary: pd.DataFrame, metric: str = TPR) -> pd.DataFrame:
    """One row an attack and quantized variant of one network, rates as fractions.

    Args:
        compared: the network's comparisons, both adversaries among them.
        summary: the network's rows of the summary.
        metric: what is compared.

    Returns:
        Columns `attack`, `variant`, `full` (the metric at full precision), and for each of
        `transfer`, `adaptive`, `difference` (adaptive - transfer) and `taken_back` (the share of
        full - transfer that this is; NaN where there is no gain to share) the value, `_low` and
        `_high`; `p_value` of the difference, its `q_value` where claims were counted, and
        `supported` (whether non-members resolve the FPR).
    """
    keys = ["attack", "variant"]
    full = summary[summary["variant"] == "full"].set_index("attack")[f"{metric}_mean"]
    chosen = compared[compared["metric"] == metric]
    tested = [name for name in ("p_value", "q_value", "supported") if name in chosen]
    table = chosen.loc[chosen["kind"] == "adaptive_minus_transfer", [*keys, *tested]]
    table = table.assign(full=table["attack"].map(full))
    for adversary in style.ADVERSARIES:
        own = summary[summary["adversary"] == adversary]
        parts = {f"{metric}_mean": adversary, f"{metric}_low": f"{adversary}_low"}
        parts |= {f"{metric}_high": f"{adversary}_high"}
        table = table.merge(own[[*keys, *parts]].rename(columns=parts), on=keys, validate="1:1")
    for column, kind in KINDS.items():
        own = chosen[chosen["kind"] == kind]
        parts = {"estimate": column, "low": f"{column}_low", "high": f"{column}_high"}
        table = table.merge(own[[*keys, *parts]].rename(columns=parts), on=keys, validate="1:1")
    return table


def draw(
    table: pd.DataFrame, attacks: Sequence[str], title: str, measure: Quoted, nonmembers: int
) -> Figure:
    """A row of three panels an attack: both values, their difference, and the share taken back.

    Args:
        table: what `side_by_side` returned of the measure's metric.
        nonmembers: of each target.
    """
    variants = [Variant.recorded(text) for text in table["variant"].unique()]
    if not variants:
        return style.message(f"{title}: there are no two adversaries of a variant to compare.")
    figure, axes = plt.subplots(
        len(attacks),
        3,
        figsize=(10, (0.19 * len(variants) + 0.7) * len(attacks) + 0.8),
        sharey=True,
        sharex="col",
        squeeze=False,
        width_ratios=(1.3, 1, 1),
        layout="constrained",
    )
    for row, attack in zip(axes, attacks, strict=True):
        own = table[table["attack"] == attack].set_index("variant").loc[list(map(str, variants))]
        row[0].set_title(style.score_title(attack), loc="left", fontsize=9)
        _panels(row, own, variants, measure)
    if measure.unit:  # of both rows, so once both are drawn
        right = axes[0, 0].get_xlim()[1]
        axes[0, 0].set_xlim(-0.03 * right, right)
    labels = (
        measure.label,
        f"adaptive - transfer ({measure.unit_of_differences})",
        "gain taken back (%)",
    )
    for axis, label in zip(axes[-1], labels, strict=True):
        axis.set_xlabel(label)
    style.title(figure, f"{title}: does adapting to the quantization help?", note(nonmembers))
    style.legend_beside(figure, _legend(variants))
    return figure


def _panels(
    row: Sequence[Axes], own: pd.DataFrame, variants: Sequence[Variant], measure: Quoted
) -> None:
    colours = forest.colours(variants)
    places = np.arange(len(variants))
    for axis in row:
        forest.rows(axis, variants)
    for shift, (adversary, mark) in zip((-0.17, 0.17), style.ADVERSARIES.items(), strict=True):
        values = _values(own, adversary, measure.scale)
        forest.intervals(row[0], places + shift, values, colours, mark)
    row[0].axvline(measure.scale * own["full"].iloc[0], color=style.FULL_COLOUR, linewidth=1)
    difference = _values(own, "difference", measure.scale)
    forest.intervals(row[1], places, difference, colours, style.ESTIMATE)
    style.reference(row[1], 0)
    share = _values(own, "taken_back", 100)
    forest.intervals(row[2], places, share, colours, style.ESTIMATE, SHARE_LIMITS)
    style.reference(row[2], 0, 100)


def _values(own: pd.DataFrame, column: str, scale: float) -> np.ndarray:
    return scale * own[[column, f"{column}_low", f"{column}_high"]].to_numpy(dtype=np.float64)


def _legend(variants: Sequence[Variant]) -> dict[str, list[Artist]]:
    full = Line2D([], [], color=style.FULL_COLOUR, linewidth=1, label="full precision")
    return {
        "": [full],
        "method": style.methods_key(variants),
        "shadow models": [
            Line2D([], [], color=style.NEUTRAL, linewidth=1, label=adversary, **mark)
            for adversary, mark in style.ADVERSARIES.items()
        ],
    }
