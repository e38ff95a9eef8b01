"""ROC curves on logarithmic axes, where the low false-positive rates that matter can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ptq_privacy.attacks import metrics
from ptq_privacy.files import scores
from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant

LOWEST = 1e-5
EXPONENT = 700.0
"""Above it a power of e is no number."""
POINTS = 2000
"""A line with more vertices than the figure has pixels only makes the file larger."""
A_ROW = 4
"""Panels side by side, at most."""
UNRESOLVED = "#f0f0f0"


def draw(
    scored: Mapping[str, str | Path],
    attack: str,
    title: str,
    promise: Mapping[str, float] | None = None,
) -> Figure:
    """One line a variant, over all targets pooled, and the diagonal of chance; a panel a method.

    Args:
        scored: the scores file of each variant.
        attack: whose scores are drawn.
        promise: of differential privacy at full precision, as `ModelRecord` has it. What it allows
            is drawn where neighbours replace a sample: a model that was not trained on a sample was
            trained on another one in its place.
    """
    variants = [Variant.recorded(text) for text in scored]
    methods = list(dict.fromkeys(p.method for p in variants if p.compressed)) or [None]
    rows = -(-len(methods) // A_ROW)
    columns = -(-len(methods) // rows)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3 * columns, 3 * rows + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    curves, nonmembers = {}, []
    for variant in variants:
        own = scores.read(scored[str(variant)])
        curves[variant] = _curve(own, attack)
        nonmembers.append(int((~own.member).sum(axis=1).min()))
    lowest = min(fpr[fpr > 0].min() for fpr, _ in curves.values())
    resolved = 1 / min(nonmembers)
    for axis, method in zip(axes.flat, methods, strict=False):
        axis.axvspan(lowest, resolved, color=UNRESOLVED, linewidth=0, zorder=0)
        axis.plot([LOWEST, 1], [LOWEST, 1], color=style.NEUTRAL, linewidth=0.8, linestyle=":")
        if promise is not None:
            axis.plot(*_allowed(promise, lowest), color=style.NEUTRAL, linewidth=1.2)
        shown = [variant for variant in variants if variant.method in (None, method)]
        _lines(axis, {variant: curves[variant] for variant in shown}, variants)
        axis.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1))
        heading = style.name(Variant()) if method is None else style.method_title(method)
        axis.set_title(heading, loc="left", fontsize=9)
    for place, axis in enumerate(axes.flat):
        axis.set_visible(place < len(methods))
        if place % columns == 0:
            axis.set_ylabel("true positive rate")
        if len(methods) - columns <= place < len(methods):  # nothing stands below
            axis.set_xlabel("false positive rate")
            axis.tick_params(labelbottom=True)
    style.title(figure, f"{title}: {style.score_title(attack)}")
    style.legend_beside(figure, _legend(variants, min(nonmembers), promise))
    return figure


def _allowed(promise: Mapping[str, float], lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """The most that differential privacy lets a true positive rate be: e^epsilon FPR + delta."""
    fpr = np.geomspace(lowest, 1, POINTS)
    return fpr, np.minimum(1, np.exp(min(promise["replacing"], EXPONENT)) * fpr + promise["delta"])


def _legend(
    variants: list[Variant], nonmembers: int, promise: Mapping[str, float] | None
) -> dict[str, list[Artist]]:
    """Methods are named above their panels."""
    key = style.key(variants, variants, style.line)
    key.pop("method", None)
    key[""].append(
        Line2D([], [], color=style.NEUTRAL, linestyle=":", linewidth=0.8, label="chance")
    )
    if promise is not None:
        allowed = f"the most that\nepsilon {promise['replacing']:.3g} allows"
        key[""].append(Line2D([], [], color=style.NEUTRAL, linewidth=1.2, label=allowed))
    few = f"below one in {nonmembers:,},\na target's non-members"
    return key | {"false positive rate": [Patch(color=UNRESOLVED, label=few)]}


def _lines(
    axis: Axes,
    curves: Mapping[Variant, tuple[np.ndarray, np.ndarray]],
    variants: list[Variant],
) -> None:
    colours = style.colours(variants)
    for variant, (fpr, tpr) in curves.items():
        axis.plot(
            fpr,
            tpr,
            color=colours[variant.method],
            drawstyle="steps-post",
            **style.line(variant, variants),
        )


def _curve(scored: scores.Scores, attack: str) -> tuple[np.ndarray, np.ndarray]:
    """The pooled ROC, thinned to what a figure can show; its jumps are kept."""
    fpr, tpr = metrics.roc(scored.member.ravel(), scored.on_one_scale(attack).ravel())
    positive = np.flatnonzero(fpr > 0)
    wanted = np.geomspace(fpr[positive[0]], 1, POINTS)
    kept = np.unique(np.searchsorted(fpr, wanted, side="right") - 1)
    return fpr[kept], tpr[kept]
