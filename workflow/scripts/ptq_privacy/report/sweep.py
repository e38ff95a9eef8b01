"""Leakage against the number of shadow models: how many each attack needs, who does with few."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.measures.intervals import Resampled, estimate
from ptq_privacy.report import style
from ptq_privacy.report.quoted import note, quoted

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


def intervals(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over targets of one attack, and its 95% interval, by number of shadow models.

    Returns:
        Columns `mean`, `low`, `high`; index `shadow_models`, ascending.
    """
    found = {size: estimate(own)[:3] for size, own in by_size(rows, metric).items()}
    columns = ["mean", "low", "high"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis(
        "shadow_models"
    )


def by_size(rows: pd.DataFrame, metric: str) -> dict[int, Resampled]:
    """One attack's values by number of shadow models, ascending."""
    found = {}
    for size, group in rows.groupby("shadow_models"):
        values = group.pivot(index="replicate", columns="target", values=metric).to_numpy()
        found[int(str(size))] = Resampled(values[0], values[1:])
    return found


def differences(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """RMIA less LiRA with a fixed variance, online and offline, on the same targets and sets.

    Returns:
        Columns `attack`, `other`, `shadow_models`, `estimate`, `low`, `high` and `p_value`; no row
        where the attacks were not both run.
    """
    known, rows = set(table["attack"]), []
    for form in ("online", "offline"):
        pair = f"rmia_{form}", f"lira_{form}_fixed"
        if known.issuperset(pair):
            one, other = (by_size(table[table["attack"] == name], metric) for name in pair)
            rows += [(*pair, size, *estimate(own.minus(other[size]))) for size, own in one.items()]
    columns = ["attack", "other", "shadow_models", "estimate", "low", "high", "p_value"]
    return pd.DataFrame(rows, columns=columns)
