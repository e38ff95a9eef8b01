"""The most exposed images themselves: looking at them is how one learns what a model remembers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from ptq_privacy.data import kinds
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant

COLUMNS, ROWS = 10, 2
SHARED_COLOUR = "#D55E00"


def most_exposed(exposure: pd.DataFrame, variant: str, count: int) -> pd.DataFrame:
    """The samples with the highest exposure at 0.1% FPR, by that at 1% among equals.

    Exposure is the share of targets in which a sample is caught as a member, less the share in
    which it is called a member as a non-member. A sample that is never one of the two has none.

    Args:
        exposure: what the stage `expose` wrote of every sample.
    """
    own = exposure[exposure["variant"] == variant].copy()
    for fpr in ("0.001", "0.01"):
        own[f"exposure_{fpr}"] = own[f"caught_{fpr}"] - own[f"false_{fpr}"]
    own = own.dropna(subset=["exposure_0.001"])
    order = ["exposure_0.001", "exposure_0.01", "sample"]
    return own.sort_values(order, ascending=[False, False, True]).head(count)


def shown_variants(summary: pd.DataFrame) -> list[str]:
    """Full precision, and the most accurate recipe of those with the fewest bits.

    Args:
        summary: one network's rows of the summary.
    """
    own = summary[(summary["method"] != "full") & summary["head_bits"].isna()]
    fewest = own[own["bits"] == own["bits"].min()]
    return ["full", str(fewest.loc[fewest["test_accuracy_mean"].idxmax(), "variant"])]


def plot(
    exposure: pd.DataFrame,
    dataset: Dataset,
    variants: Sequence[str],
    title: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """A block of the most exposed images for each variant; those in several blocks are framed."""
    chosen = [most_exposed(exposure, variant, COLUMNS * ROWS) for variant in variants]
    shared = set.intersection(*(set(rows["sample"]) for rows in chosen))
    figure = plt.figure(figsize=(COLUMNS * 0.95, (1.25 * ROWS + 0.3) * len(variants)))
    blocks = figure.subfigures(len(variants), 1, squeeze=False)[:, 0]
    with style.saved(figure, paths, origin):
        for block, variant, rows in zip(blocks, variants, chosen, strict=True):
            name = style.name(Variant.recorded(variant))
            block.suptitle(f"most exposed: {name}", x=0.01, ha="left", fontsize=9)
            axes = block.subplots(ROWS, COLUMNS).ravel()
            for axis in axes:
                axis.axis("off")
            for axis, (_, row) in zip(axes, rows.iterrows(), strict=False):
                _image(axis, dataset, row, framed=row["sample"] in shared)
            block.subplots_adjust(0.01, 0.02, 0.99, 0.8, wspace=0.12, hspace=0.42)
        figure.suptitle(title, x=0.01, y=1.0, ha="left", va="bottom")


def _image(axis: Axes, dataset: Dataset, row: pd.Series, framed: bool) -> None:
    pixels = kinds.part(dataset.kind, "show").picture(dataset.train_inputs[row["sample"]])
    axis.axis("on")
    axis.grid(False)
    axis.set(xticks=[], yticks=[])
    axis.imshow(pixels, cmap="gray")
    for spine in axis.spines.values():
        spine.set(visible=framed, color=SHARED_COLOUR, linewidth=2.5)
    name = dataset.classes[row["label"]]
    rates = f"{100 * row['caught_0.001']:.0f} / {100 * row['false_0.001']:.0f} %"
    axis.set_title(f"{_short(name)}\n{rates}", fontsize=7, pad=3)


def _short(name: str, longest: int = 14) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
