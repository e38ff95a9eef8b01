"""Which samples stay exposed: those that stood out at full precision, or the average?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.attacks import metrics
from ptq_privacy.report import forest, style
from ptq_privacy.report.quoted import EXPOSURE_FPR
from ptq_privacy.study.variants import Variant

FPR = EXPOSURE_FPR  # at 0.1% too few samples are caught to be put into groups
SHOWN = ["top_1%", *(f"decile_{place}" for place in range(1, 11))]
GROUPS = {"top_1%": "the most exposed 1 %", "other_99%": "the other 99 %"}
KEPT_LIMITS = (-50, 200)
CORRELATION_LIMITS = (-0.25, 1.02)


def by_adversary(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table of all adversaries, of whatever `measure_exposure` wrote, in one for each."""
    return {str(name): rows for name, rows in table.groupby("adversary", sort=False)}


def draw(
    summaries: Mapping[str, pd.DataFrame], title: str, nonmembers: int, samples: str
) -> Figure:
    """A row of four panels an adversary.

    Exposure by decile of the exposure at full precision, for the fewest bits of each method; what
    the most exposed hundredth and the others keep of it, and of their signal, at every variant; and
    the rank correlation of exposures with those at full precision.

    Args:
        summaries: what the stage `measure_exposure` summed up, by adversary.
        nonmembers: of each target.
        samples: what people call them, by their kind.
    """
    some = next(iter(summaries.values()))
    if not (some["statistic"] == "kept").any():
        note = some["note"].iloc[0]
        why = f"it {note}" if note else "the study compresses nothing"
        return style.message(f"{title}: who stays exposed cannot be told; {why}.")
    if not metrics.supports(nonmembers, f"tpr_at_fpr_{FPR:g}"):
        few = f"{nonmembers} non-members a target do not resolve {100 * FPR:g} % FPR"
        return style.message(f"{title}: who stays exposed cannot be told; {few}.")
    variants = [Variant.recorded(text) for text in some["variant"].unique()]
    compressed = [variant for variant in variants if variant.compressed]
    height = max(3.2, 0.16 * len(compressed) + 0.4)
    figure, axes = plt.subplots(
        len(summaries),
        4,
        figsize=(12.5, height * len(summaries) + 0.7),
        sharex="col",
        squeeze=False,
        width_ratios=(1.7, 1, 1, 0.7),
        layout="constrained",
    )
    for row, (adversary, summary) in zip(axes, summaries.items(), strict=True):
        own = summary[summary["fpr"] == FPR]
        _deciles(row[0], own, [Variant(), *lowest(compressed)], variants)
        row[0].set_title(f"to the {adversary} adversary", loc="left", fontsize=9)
        _kept(row[1], own, compressed, "kept")
        _kept(row[2], own, compressed, "signal_kept")
        _correlations(row[3], own, compressed)
        for axis in row[2:]:
            axis.tick_params(labelleft=False)
    axes[-1, 0].set_xlabel(f"the most exposed 1 %, then tenths of the {samples} by exposure")
    axes[-1, 1].set_xlabel("exposure kept (% of full precision)")
    axes[-1, 2].set_xlabel("signal kept (% of full precision)")
    axes[-1, 3].set_xlabel("rank correlation\nwith full precision")
    style.title(figure, f"{title}: whose exposure does quantization take away?")
    style.legend_beside(figure, _legend(variants, [Variant(), *lowest(compressed)], samples))
    return figure


def lowest(variants: Sequence[Variant]) -> list[Variant]:
    """Each method's variant of the fewest bits, in every layer and of weights alone."""
    found: dict[str | None, Variant] = {}
    for variant in variants:
        best = found.setdefault(variant.method, variant)
        if variant.plain and (variant.bits or 0) <= (best.bits or 0):
            found[variant.method] = variant
    return list(found.values())


def _deciles(
    axis: Axes, summary: pd.DataFrame, shown: Sequence[Variant], variants: Sequence[Variant]
) -> None:
    """Side by side in each group, in the legend's order."""
    chosen = summary[summary["statistic"] == "exposure"].set_index(["variant", "group"])
    colours = style.colours(variants)
    shifts = min(0.32, 0.07 * len(shown)) * np.linspace(-1, 1, len(shown))
    for shift, variant in zip(shifts, shown, strict=True):
        values = 100 * chosen.loc[str(variant)].loc[SHOWN, ["estimate", "low", "high"]]
        place = np.arange(len(SHOWN)) + shift
        colour = colours[variant.method]
        axis.vlines(place, values["low"], values["high"], colour, linewidth=0.8)
        mark = {**style.mark(variant, variants), "markersize": 7 if variant.bits is None else 4.5}
        axis.plot(place, values["estimate"], color=colour, **mark)
    axis.axhline(0, color=style.NEUTRAL, linewidth=0.8, linestyle=":", zorder=1)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(top=130)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(range(len(SHOWN)), ["top\n1 %", *map(str, range(1, len(SHOWN)))])
    axis.grid(False, axis="x")
    for place in range(1, len(SHOWN)):
        axis.axvline(place - 0.5, color=style.FAINT, linewidth=0.5)
    axis.set_ylabel(f"exposure at {100 * FPR:g} % FPR (%)")


def _kept(axis: Axes, summary: pd.DataFrame, variants: Sequence[Variant], statistic: str) -> None:
    kept = summary[summary["statistic"] == statistic]
    forest.rows(axis, variants)
    for shift, (group, mark) in zip((-0.17, 0.17), style.GROUPS.items(), strict=True):
        values = 100 * _values(kept[kept["group"] == group].set_index("variant"), variants)
        places = np.arange(len(variants)) + shift
        forest.intervals(axis, places, values, forest.colours(variants), mark, KEPT_LIMITS)
    style.reference(axis, 0, 100)


def _correlations(axis: Axes, summary: pd.DataFrame, variants: Sequence[Variant]) -> None:
    kind = summary["statistic"]
    same = summary[(kind == "correlation_same_targets") & (summary["variant"] == "full")]
    values = _values(same.set_index("other"), variants)
    forest.rows(axis, variants)
    places, colours = np.arange(len(variants)), forest.colours(variants)
    forest.intervals(axis, places, values, colours, style.ESTIMATE, CORRELATION_LIMITS)
    style.reference(axis, 0)


def _values(rows: pd.DataFrame, variants: Sequence[Variant]) -> np.ndarray:
    """Estimate, low and high of each variant, NaN where there is none; float64 [variants, 3]."""
    columns = ["estimate", "low", "high"]
    return rows.reindex([str(variant) for variant in variants])[columns].to_numpy(np.float64)


def _legend(
    variants: Sequence[Variant], at_left: Sequence[Variant], samples: str
) -> dict[str, list[Artist]]:
    key = style.key(at_left, variants, style.mark)
    key[samples] = [
        Line2D([], [], color=style.NEUTRAL, linewidth=1, label=GROUPS[group], **mark)
        for group, mark in style.GROUPS.items()
    ]
    return key
