"""The report as one HTML document: the answer, then figures and every number."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd
from docutils.core import publish_parts
from PIL import Image

from ptq_privacy.report import page, sentences, summary_tables
from ptq_privacy.report.cards import Card, Line
from ptq_privacy.report.cells import Interval
from ptq_privacy.report.sentences import Section
from ptq_privacy.study.adversaries import ADVERSARIES

TYPES = {".svg": "image/svg+xml", ".png": "image/png"}

INTRODUCTION = (
    "Each network was trained on its own half of a data set and then compressed. An attacker who "
    "sees only its outputs tries to tell the samples that it was trained on, its members, from the "
    "other half. A card says what he finds at full precision, what each compressed variant keeps "
    "of it, and what that costs in accuracy."
)
HOW_TO_READ_A_CARD = (
    "Each variant under the adversary who finds most in it, of those who have the variant alone. "
    "{adversaries} In brackets: which attack he chose, by trying all of them on models whose "
    "members he knows, in how many networks. Kept: the share of what full precision leaks beyond "
    "false accusations. {added}The dashed lines are guessing (grey) "
    "and full precision (black). Told apart from: whether the variant leaks less than full "
    "precision and more than guessing, where an interval says so. Bold: no other variant is both "
    "more accurate and leaks less, by these estimates, and at least three quarters of the accuracy "
    "are left. All intervals are 95 %, over targets and samples; they do not cover training the "
    "networks again."
)
ADDED = (
    "Both published: what is found more where full precision is published as well than in full "
    "precision alone. "
)
MADE_BY = (
    "What made this page and each table and figure (rule, inputs, settings, code, versions): make "
    "provenance FILE=… Run times and source code of every step are in snakemake-report.html beside "
    "this page, where it was made. Tables for programs: tables/summary.csv and .parquet, "
    "tables/adversaries.csv."
)
SHOWN_SCALE = 0.75
"""Pixels on the page for each of a PNG."""

WIDTH, HEIGHT = 160, 13
"""Of a drawn interval, in pixels."""


@dataclass(frozen=True)
class Figure:
    """One figure of the report, drawn before."""

    network: str  # `Card.name`
    question: str
    title: str
    caption: str  # reStructuredText
    paths: tuple[str, ...]  # as SVG and as PNG, of which the smaller file is shown


def build(
    study: str,
    cards: Sequence[Card],
    figures: Sequence[Figure],
    answers: Sequence[tuple[str, Sequence[Section]]],
    summary: pd.DataFrame,
    compared: pd.DataFrame,
    attack: str,
) -> str:
    """The whole document.

    Args:
        answers: by network, what can be concluded.
        compared: the adversaries side by side, of all networks.
        attack: the headline, which the tables show at first.
    """
    body = [
        page.element("h1", f"{study}: how much of its training data does each network give away?"),
        page.element("p", INTRODUCTION, class_="soft"),
        _contents([card.name for card in cards]),
        *(_card(card, number) for number, card in enumerate(cards)),
        page.element("p", _how_to_read(cards, summary), class_="soft"),
        *_figures(figures),
        page.element("h2", "What can be concluded", id="conclusions"),
        page.element("p", sentences.NOTE, class_="soft"),
        *(_answers(name, sections, number) for number, (name, sections) in enumerate(answers)),
        *summary_tables.summary_as_html(summary, attack),
        *(summary_tables.adversaries_as_html(compared, attack) if len(compared) else []),
        page.element("h2", "How this was made", id="made"),
        page.element("p", MADE_BY),
    ]
    return page.page(f"{study}: what its networks give away", body)


def _contents(networks: Sequence[str]) -> str:
    places = [(f"card-{number}", name) for number, name in enumerate(networks)]
    places += [("figures", "Figures"), ("conclusions", "What can be concluded")]
    places += [("summary-heading", "Every number"), ("made", "How this was made")]
    return page.block(
        "nav", "".join(page.element("a", name, href=f"#{place}") for place, name in places)
    )


def _how_to_read(cards: Sequence[Card], summary: pd.DataFrame) -> str:
    """Of the adversaries and columns that there are."""
    known = summary.loc[summary["variant"] != "full", "adversary"].unique()
    about = [f"the {name} adversary {ADVERSARIES[name].about}" for name in known]
    text = f"{about[0][0].upper()}{'; '.join(about)[1:]}." if about else ""
    added = any(line.added.known for card in cards for line in card.lines)
    return HOW_TO_READ_A_CARD.format(adversaries=text, added=ADDED if added else "")


def _card(card: Card, number: int) -> str:
    full = card.lines[0].leak
    big = f"{full.value:.{full.digits}f}{' %' if card.measure.unit else ''}"
    answer = page.element("p", big, class_="big") + page.element("p", card.answer)
    remarks = page.listed(card.remarks, class_="remarks")
    ends = [card.guessing]
    ends += [end for line in card.lines for end in line.leak[:3] if end == end]
    bottom, top = (0 if card.measure.unit else min(ends)), max(ends)
    leak = f"{card.measure.title}{', %' if card.measure.unit else ''}"
    shown = pd.DataFrame(
        {
            "variant": [line.name for line in card.lines],
            "bits a weight": [_number(line.bits) for line in card.lines],
            "accuracy, %": [_number(line.accuracy) for line in card.lines],
            "points lost": [_number(line.lost) for line in card.lines],
            leak: [line.leak for line in card.lines],
            f"from {bottom:.2g} to {top:.2g}": [
                _drawn(line, bottom, top, card.guessing, full.value) for line in card.lines
            ],
            "kept, %": [line.kept for line in card.lines],
            f"both published, {card.measure.unit_of_differences} more": [
                line.added for line in card.lines
            ],
            "told apart from": [_told(line) for line in card.lines],
            "adversary": [line.adversary for line in card.lines],
            "his attack": [line.by or card.attack for line in card.lines],
        }
    )
    if not any(line.added.known for line in card.lines):
        shown = shown.drop(columns=f"both published, {card.measure.unit_of_differences} more")
    table = page.table(shown, f"card-table-{number}", marked=[line.best for line in card.lines])
    return page.block(
        "section",
        page.element("h2", card.name)
        + page.element("p", card.facts, class_="soft")
        + page.block("div", page.block("div", answer) + remarks, class_="sides")
        + table,
        class_="card",
        id=f"card-{number}",
    )


def _number(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"), 2)


def _drawn(line: Line, bottom: float, top: float, guess: float, full: float) -> page.Drawn:
    """A line's interval on the card's scale, with guessing and full precision dashed."""

    span = top - bottom or 1.0  # nothing above guessing: all stand at the left end

    def place(value: float) -> str:
        return f"{WIDTH * (value - bottom) / span:.1f}"

    dashes = "".join(
        f'<line x1="{place(value)}" x2="{place(value)}" y1="-4" y2="{HEIGHT + 4}" '
        f'stroke="var({colour})" stroke-dasharray="2 2"/>'
        for value, colour in ((guess, "--chance"), (full, "--full"))
    )
    middle = HEIGHT / 2
    colour = "var(--less)" if line.below_full else "var(--full)"
    interval = ""
    if line.leak.bounds:
        interval = (
            f'<line x1="{place(line.leak.low)}" x2="{place(line.leak.high)}" y1="{middle}" '
            f'y2="{middle}" stroke="{colour}" stroke-width="2"/>'
        )
    return page.Drawn(
        line.leak.value,
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{line.leak}">{dashes}'
        f'{interval}<circle cx="{place(line.leak.value)}" cy="{middle}" r="4" fill="{colour}"/>'
        "</svg>",
    )


def _figures(figures: Sequence[Figure]) -> list[str]:
    parts = [page.element("h2", "Figures", id="figures")]
    several = len({figure.network for figure in figures}) > 1
    for network, of_network in groupby(figures, lambda figure: figure.network):
        if several:
            parts.append(page.element("h2", network))
        for question, own in groupby(of_network, lambda figure: figure.question):
            parts.append(page.element("h3", question))
            parts += map(_figure, own)
    return parts


def _figure(figure: Figure) -> str:
    path = min(map(Path, figure.paths), key=lambda path: path.stat().st_size)
    data = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(figure.title)
    source = f"data:{TYPES[path.suffix]};base64,{data}"
    image = f'<img src="{source}" width="{_width(figure)}" alt="{title}" loading="lazy">'
    caption = page.folded(f"{figure.title}: how to read it", as_html(figure.caption))
    return page.block("figure", image + page.block("figcaption", caption))


def _width(figure: Figure) -> int:
    """In pixels, so that the letters of all figures are of one size, whichever format is shown."""
    pixels = next(path for path in figure.paths if path.endswith(".png"))
    with Image.open(pixels) as image:
        return round(SHOWN_SCALE * image.width)


def as_html(text: str) -> str:
    """reStructuredText, without a heading, as a fragment of HTML."""
    settings = {"file_insertion_enabled": False, "raw_enabled": False, "report_level": 5}
    return str(publish_parts(text, writer="html5", settings_overrides=settings)["body"])


def _answers(network: str, sections: Sequence[Section], number: int) -> str:
    parts = [page.element("h2", network)]
    for place, section in enumerate(sections):
        parts.append(page.element("h3", section.question))
        parts.append(page.block("div", page.listed(section.sentences), class_="answers"))
        if section.table is not None:
            table = page.table(section.table, f"answer-{number}-{place}")
            parts.append(page.folded("The numbers, variant by variant", table))
    return "\n".join(parts)


def _told(line: Line) -> str:
    """From what a variant's leakage is told apart; full precision is not asked about itself."""
    found = {(True, True): "full, guessing", (True, False): "full", (False, True): "guessing"}
    return found.get((line.below_full, line.above_chance), "neither")
