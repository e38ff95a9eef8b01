"""What each colour, mark and line means, the same in every figure.

A colour is a method (black is full precision) or, of another palette, an attack. The shape of a
mark and the dashes of a line are bits of weights and activations; a hollow mark or another stroke
is a head at bits of its own. Adversaries and groups of samples have marks that no bit width has, in
their row's colour.
The methods' colours are Okabe and Ito's, the attacks' of Tol's, which the colour-blind tell apart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE

from ptq_privacy.files import origin as origins
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant

PALETTE = ("#56B4E9", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
SHADES = ((0, 0.45), (1, 0.5), (0, 0.7), (1, 0.75))  # beyond a palette's end, of black (0) or white
FULL_COLOUR = "#000000"
ATTACK_PALETTE = ("#332288", "#882255", "#C8B45A", "#225522", "#661100")
NEUTRAL = "#555555"
FAINT = "#cccccc"

MARKERS: tuple[Any, ...] = ("o", "s", "^", "v", "p", "h", (4, 1, 0), (3, 1, 0))
LINES: tuple[Any, ...] = (
    "-",
    "--",
    (0, (1, 1)),
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (8, 3)),
    (0, (3, 1, 1, 1)),
    (0, (1, 3)),
    (0, (10, 2, 2, 2)),
)
FILLS = ("none", "bottom", "left", "top", "right")
WIDTHS = (0.9, 2.6, 0.5, 3.4, 4.2)  # where a head has bits of its own, by the place of these

ATTACK_MARKERS = ("P", "X", "d", "<", ">", "8")
ADVERSARIES: dict[str, dict[str, Any]] = {
    "transfer": {"marker": "x", "markersize": 5, "markeredgewidth": 1.4},
    "adaptive": {"marker": "D", "markersize": 4},
    "informed": {"marker": "+", "markersize": 7, "markeredgewidth": 1.4},
    "both": {"marker": "1", "markersize": 9, "markeredgewidth": 1.6},
}
GROUPS: dict[str, dict[str, Any]] = {
    "top_1%": {"marker": (6, 2, 0), "markersize": 6, "markeredgewidth": 1},
    "other_99%": {"marker": ".", "markersize": 6},
}
ESTIMATE: dict[str, Any] = {"marker": "|", "markersize": 8, "markeredgewidth": 1.8}
"""Of a number that stands alone in its row."""

mpl.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
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


def counted(number: int, noun: str) -> str:
    """`1 target`, `2 targets`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def name(variant: Variant) -> str:
    """A variant in words, for legends and tables: `BRECQ 1.58 bits, head 8`."""
    if variant.method is None:
        return "full precision"
    return f"{method_title(variant.method)} {variant.widths}"


def colours(variants: Sequence[Variant]) -> dict[str | None, str]:
    """A colour for each method of a study, in the study's order; None stands for full precision."""
    methods = dict.fromkeys(variant.method for variant in variants if variant.compressed)
    return {None: FULL_COLOUR} | {
        method: _of(PALETTE, place) for place, method in enumerate(methods)
    }


def _of(palette: Sequence[str], place: int) -> str:
    """A colour of a palette or, beyond its end, a shade of one: none is given twice."""
    turn, place = divmod(place, len(palette))
    if turn == 0:
        return palette[place]
    towards, share = SHADES[(turn - 1) % len(SHADES)]
    share *= 0.9 ** ((turn - 1) // len(SHADES))
    red, green, blue = ((1 - share) * part + share * towards for part in to_rgb(palette[place]))
    return to_hex((red, green, blue))


def mark(variant: Variant, variants: Sequence[Variant]) -> dict[str, Any]:
    """How a variant's mark looks among the study's, but for the colour, as `Axes.plot` takes it."""
    if variant.bits is None:
        return {"marker": "*", "markersize": mark_size(variant), "linestyle": "none"}
    bits, head = _places(variant, variants)
    shape = MARKERS[bits % len(MARKERS)]
    drawn = {"marker": shape, "markersize": mark_size(variant), "linestyle": "none"}
    if head is None:
        return drawn
    fill = FILLS[head % len(FILLS)]
    if fill == "none":
        return drawn | {"markerfacecolor": "white"}
    return drawn | {"fillstyle": fill, "markerfacecoloralt": "white"}


def mark_size(variant: Variant) -> float:
    """In points."""
    return 6 if variant.compressed else 12


def line(variant: Variant, variants: Sequence[Variant]) -> dict[str, Any]:
    """How a variant's line looks among the study's, but for the colour."""
    if variant.bits is None:
        return {"linestyle": "-", "linewidth": 1.6}
    bits, head = _places(variant, variants)
    width = 1.6 if head is None else WIDTHS[head % len(WIDTHS)]
    return {"linestyle": LINES[bits % len(LINES)], "linewidth": width}


def _places(variant: Variant, variants: Sequence[Variant]) -> tuple[int, int | None]:
    """The places of its bits and of its head's among the study's; quantized activations go last."""
    bits = sorted({_bits(p) for p in variants if p.compressed}, reverse=True)
    heads = sorted({p.head_bits for p in variants if p.head_bits is not None}, reverse=True)
    head = None if variant.head_bits is None else heads.index(variant.head_bits)
    return bits.index(_bits(variant)), head


def _bits(variant: Variant) -> tuple[bool, float, float]:
    """What a shape or a stroke stands for: bits a weight, and those of activations."""
    return variant.activation_bits is None, variant.bits or 0, variant.activation_bits or 0


def attack(place: int) -> dict[str, Any]:
    """How an attack's line and marks look; the same for its online and its offline form."""
    return {
        "color": _of(ATTACK_PALETTE, place),
        "marker": ATTACK_MARKERS[place % len(ATTACK_MARKERS)],
        "markersize": 5,
    }


def methods_key(variants: Sequence[Variant]) -> list[Artist]:
    """Of a legend: what method each colour is."""
    return [
        Line2D([], [], color=colour, linewidth=4, label=method_title(method))
        for method, colour in colours(variants).items()
        if method is not None
    ]


def key(
    shown: Sequence[Variant],
    variants: Sequence[Variant],
    drawn: Callable[[Variant, Sequence[Variant]], dict[str, Any]],
) -> dict[str, list[Artist]]:
    """A legend's groups: colours for methods, marks or lines for bits, each kind once.

    Args:
        shown: those in the figure, or in the part of it that is explained.
        variants: the study's.
        drawn: `mark` or `line`, whichever tells the bits in this figure.
    """
    full = Variant()
    groups: dict[str, list[Artist]] = {
        "": [Line2D([], [], color=FULL_COLOUR, label=name(full), **drawn(full, variants))]
    }
    recipes = {variant.widths: variant for variant in shown if variant.compressed}
    if recipes:
        groups["method"] = methods_key(variants)
        groups["bits a weight"] = [
            Line2D([], [], color=NEUTRAL, label=label, **drawn(variant, variants))
            for label, variant in recipes.items()
        ]
    return groups


def title(figure: Figure, text: str, note: str = "") -> None:
    """What the figure is about, as wide as it allows, and beneath it what must be known of it."""
    characters = int(13 * (figure.get_figwidth() + 1.6))  # above the legend too
    lines = textwrap.wrap(text, characters)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10.5)
    if note:
        shown = "\n".join(textwrap.wrap(note, int(1.2 * characters)))
        figure.supxlabel(shown, x=0.01, ha="left", fontsize=8, color=NEUTRAL)


def legend_beside(figure: Figure, groups: Mapping[str, Sequence[Artist]]) -> None:
    """All that colours, marks and lines mean, by kind, to the right of all panels."""
    figure.draw_without_rendering()
    top = max(axis.get_position().y1 for axis in figure.axes)
    for heading, handles in groups.items():
        legend = figure.legend(
            handles=list(handles),
            title=heading or None,
            loc="upper left",
            bbox_to_anchor=(1.0, top),
            borderaxespad=0,
            alignment="left",
            fontsize=8,
            title_fontproperties={"size": 8, "weight": "bold"},
        )
        box = legend.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
        top = box.transformed(figure.transFigure.inverted()).y0 - 0.08 / figure.get_figheight()


def chance(axis: Axes, level: float, named: bool = True) -> None:
    """A dotted line across the panel at what guessing would reach, named at its right end."""
    axis.axhline(level, color=NEUTRAL, linewidth=0.8, linestyle=":", zorder=1)
    if named:
        place = axis.get_yaxis_transform()
        axis.text(1.0, level, " chance", transform=place, va="center", fontsize=7)


def caret(axis: Axes, edge: float, place: float, colour: str, side: str) -> None:
    """At an edge of the panel: something goes on beyond it."""
    marker = CARETLEFTBASE if side == "left" else CARETRIGHTBASE
    axis.plot([edge], [place], marker=marker, color=colour, clip_on=False, markersize=5)


def reference(axis: Axes, *levels: float) -> None:
    """Dotted upright lines at values that mean something, such as none and all."""
    for level in levels:
        axis.axvline(level, color=NEUTRAL, linewidth=0.8, linestyle=":", zorder=1)


def message(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(8, 1.2), layout="constrained")
    axis.axis("off")
    axis.text(0, 0.5, "\n".join(textwrap.wrap(text, 100)), va="center")
    return figure


def save(figure: Figure, paths: Sequence[str | Path], origin: Origin | None = None) -> None:
    """Save a figure to each path, SVG or PNG by its suffix, and forget it.

    Args:
        origin: the record of what made it.
    """
    made = dict(origin or {})
    _settle(figure)
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


def _settle(figure: Figure) -> None:
    """Panels at rounded places: a layout's last digits differ from run to run, and show in SVG."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(tuple(round(x, 6) for x in axes.get_position().bounds))
