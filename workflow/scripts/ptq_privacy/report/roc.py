"""ROC curves on logarithmic axes, where the low false-positive rates that matter can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from ptq_privacy.attacks import metrics
from ptq_privacy.files import scores
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant

LOWEST = 1e-5
POINTS = 2000
"""A line with more vertices than the figure has pixels only makes the file larger."""


def plot(
    scored: Mapping[str, str | Path],
    attack: str,
    title: str,
    paths: Sequence[str | Path],
    origin: Origin | None = None,
) -> None:
    """Draw one line a variant, over all targets pooled, and the diagonal of chance.

    Args:
        scored: the scores file of each variant.
        attack: whose scores are drawn.
    """
    variants = [Variant.recorded(text) for text in scored]
    methods = list(dict.fromkeys(p.method for p in variants if p.method is not None))
    figure, axes = plt.subplots(
        1, len(methods), figsize=(3.1 * len(methods), 3.5), sharey=True, squeeze=False
    )
    curves = {variant: _curve(scored[str(variant)], attack) for variant in variants}
    colours = style.colours(variants)
    lowest = min(fpr[fpr > 0].min() for fpr, _ in curves.values())
    with style.saved(figure, paths, origin):
        for axis, method in zip(axes[0], methods, strict=True):
            axis.plot([LOWEST, 1], [LOWEST, 1], color="#555555", linewidth=0.8, linestyle=":")
            for variant in variants:
                if variant.method in (None, method):
                    axis.plot(
                        *curves[variant],
                        color=colours[variant.method],
                        linestyle=style.look(variant, variants)["linestyle"],
                        linewidth=1.3,
                        drawstyle="steps-post",
                    )
            axis.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1))
            axis.set_xlabel("false positive rate")
            axis.set_title(style.method_title(method), loc="left", color=colours[method])
        axes[0, 0].set_ylabel("true positive rate")
        figure.suptitle(f"{title}: {style.score_title(attack)}", x=0.01, ha="left")
        style.legend_beside(figure, _legend(variants))
        figure.tight_layout()


def _curve(path: str | Path, attack: str) -> tuple[np.ndarray, np.ndarray]:
    """The pooled ROC, thinned to what a figure can show; its jumps are kept."""
    scored = scores.read(path)
    fpr, tpr = metrics.roc(scored.member.ravel(), scored.attacks[attack].ravel())
    positive = np.flatnonzero(fpr > 0)
    wanted = np.geomspace(fpr[positive[0]], 1, POINTS)
    kept = np.unique(np.searchsorted(fpr, wanted, side="right") - 1)
    return fpr[kept], tpr[kept]


def _legend(variants: Sequence[Variant]) -> list[Line2D]:
    shapes = {(p.bits, p.head_bits): p for p in variants}
    handles = []
    for (bits, head_bits), variant in shapes.items():
        if bits is None:
            label = "full precision"
        else:
            label = f"{bits:g} bits" + ("" if head_bits is None else f", head {head_bits:g}")
        colour = style.FULL_COLOUR if bits is None else "#555555"
        line = style.look(variant, variants)["linestyle"]
        handles.append(Line2D([], [], color=colour, linestyle=line, label=label))
    handles.append(Line2D([], [], color="#555555", linestyle=":", linewidth=0.8, label="chance"))
    return handles
