"""Adversary against adversary: what adapting takes back, and what a second release adds."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.report import attackers, forest, style
from ptq_privacy.report.quoted import Quoted, note
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.variants import Variant

KINDS = {"difference": "against_transfer", "taken_back": "taken_back"}
"""Of the adaptive adversary."""
SHARE_LIMITS = (-100, 200)
"""Per cent. A share of a small gain can be anything."""


def side_by_side(compared: pd.DataFrame, summary: pd.DataFrame, metric: str = TPR) -> pd.DataFrame:
    """One row an attack and variant that several adversaries attack, rates as fractions.

    Args:
        compared: one network's comparisons.
        summary: the network's rows of the summary.
        metric: what is compared.

    Returns:
        Columns `attack`, `variant`, `full` (the metric at full precision), and for each adversary
        by his name, for `difference` (adaptive - transfer), `taken_back` (the share of full -
        transfer that this is) and `added` (found beside full precision, less at full precision
        alone) the value, `_low` and `_high`, NaN where it was not measured or, of `taken_back`,
        where there is no gain to share; `p_value` of the difference and `added_p_value`, their
        `q_value` where claims were counted, and `supported` (whether non-members resolve the FPR).
    """
    keys = ["attack", "variant"]
    mean, *bounds = (f"{metric}_{part}" for part in ("mean", "low", "high"))
    full = summary[summary["variant"] == "full"].set_index("attack")[mean]
    compressed = summary[summary["variant"] != "full"]
    several = compressed.groupby(keys, sort=False)["adversary"].nunique()
    table = several[several > 1].index.to_frame(index=False)
    table["full"] = table["attack"].map(full)
    for adversary in adversaries(compressed):
        own = compressed[compressed["adversary"] == adversary]
        table = _joined(table, own, adversary, (mean, *bounds))
    chosen = compared[compared["metric"] == metric]
    adaptive = chosen[chosen["adversary"] == "adaptive"]
    for column, kind in KINDS.items():
        table = _joined(table, adaptive[adaptive["kind"] == kind], column)
    beside = attackers.beside_full(chosen) & (chosen["kind"] == "against_full")
    table = _joined(table, chosen[beside], "added")
    tested = [name for name in ("p_value", "q_value") if name in chosen]
    for prefix, own in (
        ("", adaptive[adaptive["kind"] == KINDS["difference"]]),
        ("added_", chosen[beside]),
    ):
        own = own[[*keys, *tested]].rename(columns={name: f"{prefix}{name}" for name in tested})
        table = table.merge(own, on=keys, how="left", validate="1:1")
    return table.assign(supported=chosen["supported"].iloc[0] if len(chosen) else False)


def adversaries(rows: pd.DataFrame) -> list[str]:
    """Those in a table, from who knows least."""
    known = set(rows["adversary"])
    return [name for name in ADVERSARIES if name in known]


def _joined(
    table: pd.DataFrame,
    own: pd.DataFrame,
    column: str,
    parts: Sequence[str] = ("estimate", "low", "high"),
) -> pd.DataFrame:
    """The table with a value and its interval of each attack and variant."""
    keys = ["attack", "variant"]
    names = dict(zip(parts, (column, f"{column}_low", f"{column}_high"), strict=True))
    own = own[[*keys, *parts]].rename(columns=names)
    return table.merge(own, on=keys, how="left", validate="1:1")


def draw(
    table: pd.DataFrame, attacks: Sequence[str], title: str, measure: Quoted, nonmembers: int
) -> Figure:
    """A row of panels an attack: each adversary's value, then differences as far as measured.

    Args:
        table: what `side_by_side` returned of the measure's metric.
        nonmembers: of each target.
    """
    table = table[table["attack"].isin(attacks)]
    attacks = [attack for attack in attacks if (table["attack"] == attack).any()]
    variants = [Variant.recorded(text) for text in table["variant"].unique()]
    if not variants:
        return style.message(f"{title}: there are no two adversaries of a variant to compare.")
    shown = [name for name in style.ADVERSARIES if name in table]
    panels = [name for name in (*KINDS, "added") if table[name].notna().any()]
    height = 0.12 + 0.05 * len(shown)
    figure, axes = plt.subplots(
        len(attacks),
        1 + len(panels),
        figsize=(4 + 2.8 * len(panels), (height * len(variants) + 0.7) * len(attacks) + 0.8),
        sharey=True,
        sharex="col",
        squeeze=False,
        width_ratios=(1.4, *[1] * len(panels)),
        layout="constrained",
    )
    for row, attack in zip(axes, attacks, strict=True):
        own = table[table["attack"] == attack].set_index("variant").reindex([*map(str, variants)])
        row[0].set_title(style.score_title(attack), loc="left", fontsize=9)
        _levels(row[0], own, variants, shown, measure.scale)
        for axis, name in zip(row[1:], panels, strict=True):
            axis.set_visible(bool(own[name].notna().any()))
            _panel(axis, own, variants, name, measure.scale)
    if measure.unit:  # of all rows, so once they are drawn
        right = axes[0, 0].get_xlim()[1]
        axes[0, 0].set_xlim(-0.03 * right, right)
    labels = {
        "difference": f"adaptive - transfer ({measure.unit_of_differences})",
        "taken_back": "gain taken back (%)",
        "added": f"both - full precision ({measure.unit_of_differences})",
    }
    axes[-1, 0].set_xlabel(measure.label)
    for axis, name in zip(axes[-1, 1:], panels, strict=True):
        axis.set_xlabel(labels[name])
    style.title(figure, f"{title}: what does an adversary gain who knows more?", note(nonmembers))
    style.legend_beside(figure, _legend(variants, shown))
    return figure


def _levels(
    axis: Axes,
    own: pd.DataFrame,
    variants: Sequence[Variant],
    shown: Sequence[str],
    scale: float,
) -> None:
    """What each adversary finds, from the top who knows least."""
    forest.rows(axis, variants)
    shifts = np.linspace(-1, 1, len(shown)) * (0.17 if len(shown) < 3 else 0.3)
    for shift, adversary in zip(shifts, shown, strict=True):
        values = _values(own, adversary, scale)
        places = np.arange(len(variants)) + shift
        forest.intervals(
            axis, places, values, forest.colours(variants), style.ADVERSARIES[adversary]
        )
    axis.axvline(scale * own["full"].dropna().iloc[0], color=style.FULL_COLOUR, linewidth=1)


def _panel(
    axis: Axes, own: pd.DataFrame, variants: Sequence[Variant], name: str, scale: float
) -> None:
    """A difference or a share, one a variant."""
    forest.rows(axis, variants)
    share = name == "taken_back"
    values = _values(own, name, 100 if share else scale)
    limits = SHARE_LIMITS if share else None
    places = np.arange(len(variants))
    forest.intervals(axis, places, values, forest.colours(variants), style.ESTIMATE, limits)
    style.reference(axis, 0, *([100] if share else []))


def _values(own: pd.DataFrame, column: str, scale: float) -> np.ndarray:
    return scale * own[[column, f"{column}_low", f"{column}_high"]].to_numpy(dtype=np.float64)


def _legend(variants: Sequence[Variant], shown: Sequence[str]) -> dict[str, list[Artist]]:
    full = Line2D([], [], color=style.FULL_COLOUR, linewidth=1, label="full precision")
    return {
        "": [full],
        "method": style.methods_key(variants),
        "adversary": [
            Line2D(
                [],
                [],
                color=style.NEUTRAL,
                linewidth=1,
                label=adversary,
                **style.ADVERSARIES[adversary],
            )
            for adversary in shown
        ],
    }
