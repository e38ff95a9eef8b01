"""How a variant looks in every figure: the method by colour, the bits by marker and line.

Colours are Okabe and Ito's, which the colour-blind tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ptq_privacy.files import origin as origins
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant

PALETTE = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
FULL_COLOUR = "#000000"
MARKERS = ("o", "s", "^", "v", "D", "P", "X")
LINES: tuple[Any, ...] = ("-", "--", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
DECOUPLED_LINE = "-."

mpl.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e6e6e6",
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "savefig.bbox": "tight",
        "svg.hashsalt": "ptq-privacy",
        "svg.fonttype": "none",
    }
)


def method_title(method: str) -> str:
    """What people call a method: as its fragment says, or your own by its name."""
    known = fragments.of_kind("compressions")
    return known[method].title if method in known else method


def score_title(score: str) -> str:
    """What people call an attack's score."""
    for attack in fragments.of_kind("attacks").values():
        if score in attack.more["scores"]:
            return attack.more["scores"][score]
    raise ValueError(f"score {score!r} is of no attack")


def name(variant: Variant) -> str:
    """A variant in words, for legends and tables: `BRECQ 1.58 bits, head 8`."""
    if variant.method is None:
        return "full precision"
    head = "" if variant.head_bits is None else f", head {variant.head_bits:g}"
    return f"{method_title(variant.method)} {variant.bits:g} bits{head}"


def colours(variants: Sequence[Variant]) -> dict[str | None, str]:
    """A colour for each method of a study, in the study's order; None stands for full precision."""
    methods = dict.fromkeys(variant.method for variant in variants if variant.compressed)
    return {None: FULL_COLOUR, **dict(zip(methods, cycle(PALETTE), strict=False))}


def look(variant: Variant, variants: Sequence[Variant]) -> dict[str, Any]:
    """Marker, line and fill of a variant among the study's; a decoupled one is hollow."""
    if variant.bits is None:
        return {"marker": "*", "linestyle": "-", "markersize": 13, "fillstyle": "full"}
    widths = sorted({p.bits for p in variants if p.bits is not None}, reverse=True)
    place = widths.index(variant.bits)
    decoupled = variant.head_bits is not None
    return {
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DECOUPLED_LINE if decoupled else LINES[place % len(LINES)],
        "markersize": 6,
        "fillstyle": "none" if decoupled else "full",
    }


def legend_beside(figure: Figure, handles: Sequence[Line2D]) -> None:
    """One legend for all panels, to their right, where it hides no data."""
    figure.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def chance(axis: Axes, level: float) -> None:
    """A dotted line across the panel at what guessing would reach."""
    axis.axhline(level, color="#555555", linewidth=0.8, linestyle=":")
    place = axis.get_yaxis_transform()
    axis.text(1.0, level, " chance", transform=place, va="center", fontsize=7)


@contextmanager
def saved(
    figure: Figure, paths: Sequence[str | Path], origin: Origin | None = None
) -> Iterator[None]:
    """Save a figure to each path, SVG or PNG by its suffix, when the block has drawn it.

    Args:
        origin: the record of what made it.
    """
    yield
    made = dict(origin or {})
    for path in map(Path, paths):
        with replacing(path) as temporary:
            if path.suffix == ".svg":
                # A date in the file would make equal figures differ.
                figure.savefig(temporary, format="svg", metadata={"Date": None})
                if made:
                    with temporary.open("a", encoding="utf-8") as file:
                        file.write(origins.comment(made))
            else:
                figure.savefig(temporary, format="png", dpi=160, metadata=made)
    plt.close(figure)
