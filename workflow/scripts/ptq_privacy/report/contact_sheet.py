"""The most exposed samples themselves: looking at them is how one learns what a model remembers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ptq_privacy.data import kinds
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.report import style
from ptq_privacy.report.quoted import quoted
from ptq_privacy.study.input_kinds import INPUT_KINDS
from ptq_privacy.study.variants import Variant

COLUMNS, ROWS = 10, 2
FRAME_GAP = 0.045
"""Of a sample's width, in white between it and its frame: an image may be as dark."""


def most_exposed(exposure: pd.DataFrame, variant: str, count: int, fpr: float) -> pd.DataFrame:
    """The samples with the highest exposure at an FPR, by that at 1% among equals.

    Exposure is the share of targets in which a sample is caught as a member, less the share in
    which it is called a member as a non-member. A sample that is never one of the two has none.

    Args:
        exposure: what the stage `measure_exposure` wrote of every sample.
    """
    own = exposure[exposure["variant"] == variant].copy()
    for at in (f"{fpr:g}", "0.01"):
        own[f"exposure_{at}"] = own[f"caught_{at}"] - own[f"false_{at}"]
    first = f"exposure_{fpr:g}"
    own = own.dropna(subset=[first])
    order = list(dict.fromkeys([first, "exposure_0.01", "sample"]))
    ascending = [column == "sample" for column in order]
    return own.sort_values(order, ascending=ascending).head(count)


def shown_variants(summary: pd.DataFrame) -> list[str]:
    """Full precision and, if there is any other, the most accurate recipe with the fewest bits.

    Args:
        summary: one network's rows of the summary.
    """
    weights = summary["head_bits"].isna() & summary["activation_bits"].isna()
    own = summary[(summary["method"] != "full") & weights]
    if own.empty:
        return ["full"]
    fewest = own[own["bits"] == own["bits"].min()]
    return ["full", str(fewest.loc[fewest["test_accuracy_mean"].idxmax(), "variant"])]


def draw(
    exposure: pd.DataFrame,
    dataset: Dataset,
    variants: Sequence[str],
    title: str,
    nonmembers: int,
) -> Figure:
    """A block of the most exposed samples for each variant; those in several blocks are framed.

    Args:
        nonmembers: of each target.
    """
    fpr = quoted(nonmembers).fpr
    if fpr is None:
        few = f"{nonmembers} non-members a target resolve no rate that is counted"
        samples = INPUT_KINDS[dataset.kind].samples
        return style.message(f"{title}: which {samples} are exposed most cannot be told; {few}.")
    chosen = [most_exposed(exposure, variant, COLUMNS * ROWS, fpr) for variant in variants]
    shared = set.intersection(*(set(rows["sample"]) for rows in chosen))
    figure = plt.figure(figsize=(COLUMNS * 0.95, (1.25 * ROWS + 0.3) * len(variants)))
    blocks = figure.subfigures(len(variants), 1, squeeze=False)[:, 0]
    for block, variant, rows in zip(blocks, variants, chosen, strict=True):
        name = style.name(Variant.recorded(variant))
        block.suptitle(f"most exposed: {name}", x=0.01, ha="left", fontsize=9)
        axes = block.subplots(ROWS, COLUMNS).ravel()
        for axis in axes:
            axis.axis("off")
        for axis, (_, row) in zip(axes, rows.iterrows(), strict=False):
            _sample(axis, dataset, row, f"{fpr:g}", framed=row["sample"] in shared)
        block.subplots_adjust(0.01, 0.02, 0.99, 0.8, wspace=0.14, hspace=0.46)
    legend = f"above each: class, share caught / share falsely accused at {100 * fpr:g} % FPR"
    if len(variants) > 1:
        legend += "; framed: in both blocks"
    figure.suptitle(f"{title}\n{legend}", x=0.01, y=1.0, ha="left", va="bottom", fontsize=9)
    return figure


def _sample(axis: Axes, dataset: Dataset, row: pd.Series, fpr: str, framed: bool) -> None:
    show = kinds.part(dataset.kind, "show")
    axis.axis("on")
    axis.grid(False)
    axis.set(xticks=[], yticks=[])
    show.draw(axis, dataset.train_inputs[row["sample"]], dataset.details)
    axis.spines[:].set_visible(False)
    if framed:
        corner, side = (-FRAME_GAP, -FRAME_GAP), 1 + 2 * FRAME_GAP
        frame = Rectangle(corner, side, side, fill=False, linewidth=1.5, transform=axis.transAxes)
        frame.set_clip_on(False)
        axis.add_patch(frame)
    name = dataset.classes[row["label"]]
    rates = f"{100 * row[f'caught_{fpr}']:.0f} / {100 * row[f'false_{fpr}']:.0f} %"
    axis.set_title(f"{_short(name)}\n{rates}", fontsize=7, pad=5)


def _short(name: str, longest: int = 14) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
