"""Which samples stay exposed: those that stood out at full precision, or the average?"""

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
from ptq_privacy.study.variants import Variant

FPR = 0.01  # at 0.1% too few samples are caught to be put into groups
SHOWN = ["top_1%", *(f"decile_{place}" for place in range(1, 11))]
GROUPS: dict[str, dict[str, Any]] = {
    "top_1%": {"color": "#D55E00", "marker": "s", "fillstyle": "full"},
    "other_99%": {"color": "#0072B2", "marker": "o", "fillstyle": "none"},
}
KEPT_LIMITS = (-50, 200)


def plot(
    summaries: Mapping[str, pd.DataFrame],
    title: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """A row of three panels an adversary.

    Exposure by decile of the exposure at full precision, for the fewest bits of each method; what
    the most exposed hundredth and the others keep of it at every variant; and the rank
    correlation of exposures with those at full precision.

    Args:
        summaries: what the stage `measure_exposure` summed up, by adversary.
    """
    some = next(iter(summaries.values()))
    if not (some["statistic"] == "kept").any():
        _nothing(title, str(some["note"].iloc[0]), paths, origin)
        return
    figure, axes = plt.subplots(
        len(summaries),
        3,
        figsize=(12, 3.4 * len(summaries) + 0.3),
        sharex="col",
        squeeze=False,
        width_ratios=(1.7, 1, 0.8),
        layout="constrained",
    )
    variants = [Variant.recorded(text) for text in some["variant"].unique()]
    compressed = [variant for variant in variants if variant.compressed]
    with style.saved(figure, paths, origin):
        for row, (adversary, summary) in zip(axes, summaries.items(), strict=True):
            own = summary[summary["fpr"] == FPR]
            _deciles(row[0], own, [Variant(), *lowest(compressed)])
            row[0].set_title(f"{adversary} shadow models", loc="left")
            _kept(row[1], own, compressed)
            _correlations(row[2], own, compressed)
            row[2].sharey(row[1])
            row[2].tick_params(labelleft=False)
        axes[-1, 0].set_xlabel("hundredth, tenths of the images, the most exposed first")
        axes[-1, 1].set_xlabel("exposure kept (% of full precision)")
        axes[-1, 2].set_xlabel("rank correlation with full precision")
        figure.suptitle(f"{title}: whose exposure does quantization take away?", x=0.01, ha="left")
        style.legend_beside(figure, _legend(lowest(compressed)))


def _nothing(
    title: str, why: str, paths: Sequence[str | Path], origin: Origin | None = None
) -> None:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(8, 1.2), layout="constrained")
    with style.saved(figure, paths, origin):
        axis.axis("off")
        axis.text(0, 0.5, f"{title}: who stays exposed cannot be told; it {why}.", va="center")


def lowest(variants: Sequence[Variant]) -> list[Variant]:
    """Each method's variant of the fewest bits, its classifier no wider."""
    found: dict[str | None, Variant] = {}
    for variant in variants:
        best = found.setdefault(variant.method, variant)
        if variant.head_bits is None and (variant.bits or 0) <= (best.bits or 0):
            found[variant.method] = variant
    return list(found.values())


def _deciles(axis: Axes, summary: pd.DataFrame, shown: Sequence[Variant]) -> None:
    chosen = summary[summary["statistic"] == "exposure"].set_index(["variant", "group"])
    shifts = np.linspace(-0.3, 0.3, len(shown))
    for shift, variant in zip(shifts, shown, strict=True):
        rows = 100 * chosen.loc[str(variant)].loc[SHOWN, ["estimate", "low", "high"]]
        place = np.arange(len(SHOWN)) + shift
        look = _look(variant, shown)
        axis.vlines(place, rows["low"], rows["high"], look["color"], lw=0.8)
        axis.plot(place, rows["estimate"], markersize=4.5, **look)
    axis.axhline(0, color="#555555", linewidth=0.8, linestyle=":")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(top=130)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(range(len(SHOWN)), ["top 1 %", *map(str, range(1, len(SHOWN)))])
    axis.grid(False, axis="x")
    axis.set_ylabel(f"exposure at {FPR:.0%} FPR (%)")


def _kept(axis: Axes, summary: pd.DataFrame, variants: Sequence[Variant]) -> None:
    chosen = summary[summary["statistic"] == "kept"].set_index(["group", "variant"])
    names = [str(variant) for variant in variants]
    for shift, (group, look) in zip((-0.17, 0.17), GROUPS.items(), strict=True):
        rows = 100 * chosen.loc[group].reindex(names)[["estimate", "low", "high"]]
        place = np.arange(len(names)) + shift
        axis.hlines(place, rows["low"], rows["high"], look["color"], lw=1)
        axis.plot(rows["estimate"], place, linestyle="none", markersize=4.5, **look)
    for share in (0, 100):
        axis.axvline(share, color="#555555", linewidth=0.8, linestyle=":")
    axis.set_xlim(KEPT_LIMITS)
    axis.set_yticks(range(len(names)), [style.name(p) for p in variants], fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(False, axis="y")


def _correlations(axis: Axes, summary: pd.DataFrame, variants: Sequence[Variant]) -> None:
    kind = summary["statistic"]
    same = summary[(kind == "correlation_same_targets") & (summary["variant"] == "full")]
    rows = same.set_index("other").reindex([str(variant) for variant in variants])
    place = np.arange(len(rows))
    axis.hlines(place, rows["low"], rows["high"], "#000000", lw=1)
    axis.plot(rows["estimate"], place, color="#000000", marker="D", ls="", ms=4.5)
    axis.set_xlim(-0.1, 1.02)
    axis.axvline(0, color="#555555", linewidth=0.8, linestyle=":")
    axis.grid(False, axis="y")


def _look(variant: Variant, shown: Sequence[Variant]) -> dict[str, Any]:
    """Of a method in the first panel, where all have the fewest bits: a marker of its own."""
    if variant.method is None:
        return {"color": style.FULL_COLOUR, "marker": "*", "linestyle": "none"}
    colours = style.colours(shown)
    marker = style.MARKERS[(list(colours).index(variant.method) - 1) % len(style.MARKERS)]
    return {"color": colours[variant.method], "marker": marker, "linestyle": "none"}


def _legend(shown: Sequence[Variant]) -> list[Line2D]:
    handles = [
        Line2D([], [], label=style.name(variant), **_look(variant, shown))
        for variant in (Variant(), *shown)
    ]
    labels = {"top_1%": "the most exposed 1 %", "other_99%": "the other 99 %"}
    for group, look in GROUPS.items():
        handles.append(Line2D([], [], label=labels[group], linewidth=1, **look))
    handles.append(
        Line2D([], [], color="#000000", marker="D", label="rank correlation", lw=1, ms=4.5)
    )
    return handles
