"""Leak against the number of parameters, and against accuracy: the figure and its section."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptq_privacy.measures.scale import LEAK, TREND, TREND_OF_DROP
from ptq_privacy.report import attackers, cells, quoted, style
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import Section, Words, elsewhere, grouped
from ptq_privacy.study.variants import Variant

QUESTION = "Do larger networks leak more, and does quantization hide more of it?"
UNIT = "for ten times as many parameters"
SHIFT = 1.035
"""Between variants, as a factor of the number of parameters, so that no interval hides another."""


def draw(table: pd.DataFrame, attack: str) -> Figure:
    """A row of panels a method: its variants and full precision, by size and by accuracy.

    Args:
        table: one family's rows of the table of scales, of one attack.
    """
    nonmembers = int(table["nonmembers"].min())
    measure = quoted.quoted(nonmembers)
    levels = table[(table["kind"] == LEAK) & (table["metric"] == measure.metric)]
    leading = leader(levels)
    levels = levels[(levels["adversary"] == leading) | (levels["variant"] == "full")]
    variants = [Variant.recorded(text) for text in levels["variant"].unique()]
    methods = list(dict.fromkeys(v.method for v in variants if v.compressed)) or [None]
    figure, axes = plt.subplots(
        len(methods),
        2,
        figsize=(8.4, 0.6 + 2.5 * len(methods)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, method in zip(axes, methods, strict=True):
        own = [v for v in variants if v.method in (None, method)]
        for axis, column in zip(row, ("parameters", "accuracy"), strict=True):
            for place, variant in enumerate(own):
                rows = levels[levels["variant"] == str(variant)].sort_values("parameters")
                shift = SHIFT ** (place - (len(own) - 1) / 2) if column == "parameters" else 1
                _line(axis, rows, column, shift, variant, variants, measure)
            guess = quoted.guessing(measure, nonmembers)
            style.chance(axis, guess, named=axis is row[-1])
        row[0].set_ylabel(measure.label)
        if method is not None:
            row[0].set_title(style.method_title(method), loc="left", fontsize=9)
        _sizes(row[0], levels["parameters"])
    if measure.unit:
        axes[0, 0].set_ylim(bottom=0)
    axes[-1, 0].set_xlabel("parameters")
    axes[-1, 1].set_xlabel("test accuracy (%)")
    to = f", to the {leading} adversary" if len(variants) > 1 else ""
    style.title(
        figure,
        f"{name(levels)}: leakage to {style.score_title(attack)} by size{to}",
        quoted.note(nonmembers),
    )
    style.legend_beside(figure, style.key(variants, variants, style.line))
    return figure


def _sizes(axis: Axes, parameters: pd.Series) -> None:
    """A logarithmic axis with the networks' own sizes on it."""
    sizes = sorted(parameters.unique())
    axis.set_xscale("log")
    axis.set_xticks(sizes, [_short(size) for size in sizes])
    axis.minorticks_off()


def _short(size: int) -> str:
    """A number of parameters to two digits: `7.5k`, `1.1M`."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if size >= 0.9995 * limit:
            value = size / limit
            return f"{value:.0f}{unit}" if value >= 9.95 else f"{value:.2g}{unit}"
    return str(size)


def _line(
    axis: Axes,
    rows: pd.DataFrame,
    column: str,
    shift: float,
    variant: Variant,
    variants: Sequence[Variant],
    measure: Quoted,
) -> None:
    x = (shift if column == "parameters" else 100) * rows[column].to_numpy()
    value, low, high = (measure.scale * rows[part].to_numpy() for part in cells.ESTIMATE)
    colour = style.colours(variants)[variant.method]
    axis.vlines(x, low, high, colour, linewidth=0.8, alpha=0.7)
    mark = {**style.mark(variant, variants), "markersize": style.mark_size(variant) / 1.5}
    axis.plot(x, value, color=colour, zorder=3, **{**mark, **style.line(variant, variants)})


def name(levels: pd.DataFrame) -> str:
    """A family, for people: `locations, mlp-16 to mlp-1088`."""
    networks = levels.sort_values("parameters", kind="stable")["network"]
    return f"{levels['dataset'].iloc[0]}, {networks.iloc[0]} to {networks.iloc[-1]}"


def leader(levels: pd.DataFrame) -> str:
    """The adversary who finds most at the most variants of a family's networks, of those who have
    them alone."""
    compressed = attackers.alone(levels[levels["variant"] != "full"])
    if compressed.empty:
        return str(levels["adversary"].iloc[0])
    most = compressed.loc[compressed.groupby(["network", "variant"])["estimate"].idxmax()]
    count = most["adversary"].value_counts()
    names = list(compressed["adversary"].unique())
    return max(reversed(names), key=lambda one: count.get(one, 0))


def section(table: pd.DataFrame, attack: str) -> tuple[str, Section]:
    """A family's name, and what can be concluded of it.

    Args:
        table: its rows of the table of scales, claims counted.
        attack: the headline.
    """
    measure = quoted.quoted(int(table["nonmembers"].min()))
    known = cells.named(table[(table["metric"] == measure.metric) & (table["attack"] == attack)])
    levels = known[known["kind"] == LEAK]
    leading = leader(levels)
    alone = attackers.alone(known)
    of_leading = alone[(alone["adversary"] == leading) | (alone["variant"] == "full")]
    networks = levels[levels["variant"] == "full"].sort_values("parameters", kind="stable")
    sentences = [_span(networks, measure, attack)]
    trend, drop = (of_leading[of_leading["kind"] == kind] for kind in (TREND, TREND_OF_DROP))
    if trend.empty:
        same = "All of these networks are of one size, so a trend cannot be told."
        return name(levels), Section(QUESTION, (*sentences, same))
    several = alone.loc[alone["variant"] != "full", "adversary"].nunique() > 1
    if several:
        sentences.append(f"The sentences are of the {leading} adversary, who finds most.")
    unit = f"{measure.unit_of_differences} {UNIT}"
    for rows, words in (
        (
            trend,
            Words(
                higher="The larger the network, the more leaks at {who}",
                lower="The larger the network, the less leaks at {who}",
                open="Whether the leak rises or falls with the size cannot be told at {who}",
            ),
        ),
        (
            drop,
            Words(
                higher="What quantization hides grows with the network at {who}",
                lower="What quantization hides shrinks as the network grows at {who}",
                open="Whether what quantization hides goes with the size cannot be told at {who}",
            ),
        ),
    ):
        for full in (True, False):
            own = rows[(rows["variant"] == "full") == full]
            sentences += grouped(own, words, unit, measure.scale, measure.digits)
    others = alone[alone["kind"].isin([TREND, TREND_OF_DROP]) & (alone["adversary"] != leading)]
    sentences += elsewhere(others[others["variant"] != "full"])
    columns = {
        f"{row['network']}: {row['parameters']:,} parameters": cells.measured(
            of_leading[(of_leading["kind"] == LEAK) & (of_leading["network"] == row["network"])],
            measure,
        )
        for row in networks.to_dict("records")
    }
    for rows, title in ((trend, "trend"), (drop, "trend of full precision - variant")):
        columns[f"{title}, {UNIT}"] = cells.measured(rows, measure, difference=True)
        columns[f"p, q, {title}"] = cells.tested(rows)
    return name(levels), Section(QUESTION, tuple(sentences), cells.joined(columns))


def _span(networks: pd.DataFrame, measure: Quoted, attack: str) -> str:
    """What full precision leaks in the smallest and in the largest network, and how accurate."""
    ends = []
    for row in (networks.iloc[0].to_dict(), networks.iloc[-1].to_dict()):
        value, low, high = (measure.scale * row[part] for part in cells.ESTIMATE)
        shown = str(cells.Interval(value, low, high, measure.digits))
        unit = f" {measure.unit}" if measure.unit else ""
        ends.append(
            f"{shown.replace(' ', f'{unit} ', 1)} with {row['parameters']:,} parameters "
            f"({row['network']}, accuracy {100 * row['accuracy']:.1f} %)"
        )
    return (
        f"{len(networks)} networks that are alike but for their size; at full precision the "
        f"{measure.title} of {style.score_title(attack)} goes from {ends[0]} to {ends[1]}."
    )
