"""TPR against the number of shadow models: how many each attack needs, and which does with few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.study.seeds import generator

LINES = ("-", "--", "-.", ":")
REPLICATES = 1000


def plot(
    table: pd.DataFrame, title: str, paths: Sequence[str | Path], origin: Origin | None = None
) -> None:
    """One panel for scores that know models with the sample, one for those that do not.

    A score that is neither called online nor offline stands in both.

    Args:
        table: what the stage `sweep_shadow_models` wrote.
    """
    scores = list(table["attack"].unique())
    offline = [score for score in scores if "_offline" in score]
    panels = {"online": [score for score in scores if score not in offline]}
    if offline:
        panels["offline"] = [score for score in scores if "_online" not in score]
    kinds = list(dict.fromkeys(map(_kind, scores)))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4 * len(panels), 3.6), sharey=True, squeeze=False
    )
    with style.saved(figure, paths, origin):
        for axis, (name, shown) in zip(axes[0], panels.items(), strict=True):
            for score in shown:
                _line(axis, table[table["attack"] == score], score, kinds.index(_kind(score)))
            sizes = table["shadow_models"].unique()
            axis.set_xscale("log", base=2)
            axis.set_xticks(sizes, [str(size) for size in sizes])
            axis.minorticks_off()
            axis.set_xlabel("shadow models")
            axis.set_title(f"{name} attacks", loc="left")
        axes[0, 0].set_ylabel("TPR at 0.1 % FPR (%)")
        axes[0, 0].set_ylim(bottom=0)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        labels = [label.replace(" online", "") for label in labels]
        figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        figure.suptitle(
            f"{title}, full precision: attacks with fewer shadow models", x=0.01, ha="left"
        )
        figure.tight_layout()


def _kind(score: str) -> str:
    """What the online and the offline form of a score have in common; they look alike."""
    return score.replace("_online", "").replace("_offline", "")


def _line(axis: Axes, rows: pd.DataFrame, score: str, place: int) -> None:
    colour = style.PALETTE[1:][place % (len(style.PALETTE) - 1)]
    spread = 100 * intervals(rows)
    axis.plot(
        spread.index,
        spread["mean"],
        color=colour,
        marker=style.MARKERS[place % len(style.MARKERS)],
        linestyle=LINES[place % len(LINES)],
        markersize=5,
        label=style.score_title(score),
    )
    axis.fill_between(
        spread.index, spread["low"], spread["high"], color=colour, alpha=0.18, linewidth=0
    )


def intervals(rows: pd.DataFrame, metric: str = "tpr_at_fpr_0.001") -> pd.DataFrame:
    """Mean over targets and draws of one attack, and its 95% interval, by number of shadow models.

    The bootstrap draws targets with replacement, and draws of shadow models within each.

    Returns:
        Columns `mean`, `low`, `high`; index `shadow_models`, ascending.
    """
    found = {}
    stream = generator("resampled sweep", 0)
    for size, group in rows.groupby("shadow_models"):
        values = group.pivot(index="target", columns="draw", values=metric).to_numpy()
        targets, draws = values.shape
        chosen = stream.integers(targets, size=(REPLICATES, targets, 1))
        within = stream.integers(draws, size=(REPLICATES, targets, draws))
        means = values[chosen, within].mean(axis=(1, 2))
        low, high = np.percentile(means, (2.5, 97.5))
        found[size] = {"mean": values.mean(), "low": low, "high": high}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("shadow_models")
