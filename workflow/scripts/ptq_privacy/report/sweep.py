"""Leakage against the number of shadow models: how many each attack needs, who does with few."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.report import style
from ptq_privacy.report.quoted import note, quoted
from ptq_privacy.study.seeds import generator

REPLICATES = 1000
SHIFT = 0.07
"""Between attacks, in doublings, so that their intervals do not hide each other."""


def draw(table: pd.DataFrame, title: str, nonmembers: int) -> Figure:
    """One panel for scores that know models with the sample, one for those that do not.

    A score that is neither called online nor offline stands in both.

    Args:
        table: what the stage `sweep_shadow_models` wrote.
        nonmembers: of each target.
    """
    measure = quoted(nonmembers)
    scores = list(table["attack"].unique())
    offline = [score for score in scores if "_offline" in score]
    panels = {"online": [score for score in scores if score not in offline]}
    if offline:
        panels["offline"] = [score for score in scores if "_online" not in score]
    kinds = list(dict.fromkeys(map(_kind, scores)))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(4.3 * len(panels), 3.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    sizes = sorted(table["shadow_models"].unique())
    for axis, (name, shown) in zip(axes[0], panels.items(), strict=True):
        for score in shown:
            own = table[table["attack"] == score]
            spread = measure.scale * intervals(own, measure.metric)
            _line(axis, spread, kinds.index(_kind(score)), len(kinds))
        style.chance(axis, measure.chance, named=axis is axes[0, -1])
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel("shadow models")
        axis.set_title(f"{name} attacks", loc="left", fontsize=9)
    axes[0, 0].set_ylabel(measure.label)
    if measure.unit:
        axes[0, 0].set_ylim(bottom=0)
    style.title(
        figure, f"{title}, full precision: attacks with fewer shadow models", note(nonmembers)
    )
    style.legend_beside(figure, {"attack": _legend(scores, kinds)})
    return figure


def _kind(score: str) -> str:
    """What the online and the offline form of a score have in common; they look alike."""
    return score.replace("_online", "").replace("_offline", "")


def _line(axis: Axes, spread: pd.DataFrame, place: int, of: int) -> None:
    x = spread.index.to_numpy() * 2 ** (SHIFT * (place - (of - 1) / 2))
    look = style.attack(place)
    axis.vlines(x, spread["low"], spread["high"], look["color"], linewidth=0.8)
    axis.plot(x, spread["mean"], **look)


def _legend(scores: Sequence[str], kinds: Sequence[str]) -> list[Line2D]:
    """An entry a kind, called by its score's title without the form."""
    titles = {_kind(score): style.score_title(score) for score in scores}
    return [
        Line2D(
            [],
            [],
            label=titles[kind].replace(" online", "").replace(" offline", ""),
            **style.attack(place),
        )
        for place, kind in enumerate(kinds)
    ]


def intervals(rows: pd.DataFrame, metric: str = "tpr_at_fpr_0.001") -> pd.DataFrame:
    """Mean over targets and draws of one attack, and its 95% interval, by number of shadow models.

    The bootstrap draws targets with replacement, and draws of shadow models within each.

    Returns:
        Columns `mean`, `low`, `high` (NaN for one target, which tells nothing of others); index
        `shadow_models`, ascending.
    """
    found = {}
    stream = generator("resampled sweep", 0)
    for size, group in rows.groupby("shadow_models"):
        values = group.pivot(index="target", columns="draw", values=metric).to_numpy()
        targets, draws = values.shape
        chosen = stream.integers(targets, size=(REPLICATES, targets, 1))
        within = stream.integers(draws, size=(REPLICATES, targets, draws))
        means = values[chosen, within].mean(axis=(1, 2))
        low, high = np.percentile(means, (2.5, 97.5)) if targets > 1 else (np.nan, np.nan)
        found[size] = {"mean": values.mean(), "low": low, "high": high}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("shadow_models")
