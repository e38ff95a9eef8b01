"""Sentences about intervals, by rules that never let one say more than its interval does.

A difference is claimed only where its 95% interval excludes zero and its claim stands when all the
page's are counted (`claims`), and then by its bound nearer to zero, rounded towards it. Where zero
lies inside, the sentence says that nothing can be told, not that nothing is there. Up to three
variants are named; more are counted, and stand in the table below the sentences.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ptq_privacy.report import cells, claims

HIGHER, LOWER, OPEN, UNKNOWN = "higher", "lower", "open", "unknown"
NAMED = 3


@dataclass(frozen=True)
class Section:
    """An answer: a question, sentences that the numbers bear out, and the numbers."""

    question: str
    sentences: tuple[str, ...]
    table: pd.DataFrame | None = None


@dataclass(frozen=True)
class Words:
    """What to say of the variants of each verdict.

    `{who}` stands for them; `{s}` and `{be}` for the verb's ending and for "is" or "are".
    """

    higher: str
    lower: str
    open: str
    unknown: str = "For {who} this could not be told, for want of data or of a gain to compare with"
    of: str = "variants"


def verdict(low: float, high: float, stands: bool = True) -> str:
    """What an interval of a difference says of its sign, if the claim stands."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    if not stands:
        return OPEN
    return HIGHER if low > 0 else LOWER if high < 0 else OPEN


def at_least(low: float, high: float, digits: int) -> str:
    """The bound of an interval nearer to zero, rounded towards zero, without its sign.

    Empty where that is zero.
    """
    bound = min(abs(low), abs(high))
    floored = math.floor(bound * 10**digits + 1e-9) / 10**digits
    return f"{floored:.{digits}f}" if floored else ""


def grouped(rows: pd.DataFrame, words: Words, unit: str, scale: float, digits: int) -> list[str]:
    """One sentence a verdict that occurs, with the variants it holds for.

    A difference is followed by how large it is at least; what is open, by how far it may reach.

    Args:
        rows: columns `name`, `low`, `high` and, where claims were counted, `q_value`.
        unit: of the numbers.
        scale: from the table's numbers to that unit.
    """
    verdicts = of_rows(rows)
    sentences = []
    for kind in (HIGHER, LOWER, OPEN, UNKNOWN):
        own = rows[[found == kind for found in verdicts]]
        if own.empty:
            continue
        text, lows, highs = (
            filled(getattr(words, kind), own["name"], len(rows), words.of),
            own["low"],
            own["high"],
        )
        if kind in (HIGHER, LOWER):
            nearest = lows.min() if kind == HIGHER else highs.max()
            bound = at_least(scale * nearest, scale * nearest, digits)
            each = "each " if len(own) > 1 else ""
            of_one = unit.removesuffix("s") if bound == "1" else unit
            text += f", {each}by at least {bound} {of_one}" if bound else ""
        if kind == OPEN:
            low, high = scale * lows.min(), scale * highs.max()
            whose = "its interval reaches" if len(own) == 1 else "together their intervals reach"
            text += f"; {whose} from {low:+.{digits}f} to {high:+.{digits}f} {unit}"
        sentences.append(f"{text}.")
    return sentences


def elsewhere(rows: pd.DataFrame) -> list[str]:
    """What is claimed of the same differences to other adversaries, counted, in one sentence.

    Args:
        rows: columns `adversary`, `low`, `high` and, where claims were counted, `q_value`.
    """
    verdicts = of_rows(rows)
    if not verdicts:
        return []
    names = list(rows["adversary"].unique())
    who = f"the {_joined(names)} {'adversary' if len(names) == 1 else 'adversaries'}"
    return [
        f"To {who}, {verdicts.count(HIGHER)} of {len(verdicts)} such differences are claimed to "
        f"lie above zero and {verdicts.count(LOWER)} below; the table has them."
    ]


def of_rows(rows: pd.DataFrame) -> list[str]:
    """The verdict of each row."""
    parts = zip(rows["low"], rows["high"], claims.stand(rows), strict=True)
    return [verdict(low, high, bool(stands)) for low, high, stands in parts]


def filled(text: str, names: Iterable[str], of: int, noun: str = "variants") -> str:
    """A sentence of `Words` about these of so many variants."""
    names = list(names)
    one = len(names) == 1
    text = text.format(who=listed(names, of, noun), s="s" if one else "", be="is" if one else "are")
    return text[0].upper() + text[1:]


def listed(names: Sequence[str], of: int, noun: str = "variants") -> str:
    """Some of so many variants: by name, or how many they are."""
    if len(names) <= NAMED and (len(names) < of or of == 1):
        return _joined(names)
    if len(names) == of:
        return f"both {noun}" if of == 2 else f"all {of} {noun}"
    return f"{len(names)} of {of} {noun}"


def _joined(names: Sequence[str]) -> str:
    return joined([name.replace(", ", " with ") for name in names])  # no comma within an item


def joined(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def chance(looked: int, found: int) -> str:
    """What many comparisons do to 95% intervals, and what is done about it, in numbers."""
    return (
        f"This page looks at {looked:,} differences: of variants, adversaries, attacks and methods "
        "from each other, and of single figures from chance. Were there none anywhere, about "
        f"{looked / 20:.0f} of their 95 % intervals would exclude zero all the same. So a "
        "difference is claimed only where its q-value, over all of them and over those of its own "
        "question, is at most 0.05 (Benjamini and Hochberg); "
        f"{found:,} are, of which about {found / 20:.0f} may be false. The intervals cover other "
        "targets of this pool and other samples of this data set; they do not cover training the "
        "pool again."
    )


def as_markdown(networks: Iterable[tuple[str, Sequence[Section]]]) -> str:
    """The same sentences and tables for a terminal or a repository's page."""
    parts = ["# What can be concluded", "", NOTE, ""]
    for network, sections in networks:
        parts += [f"## {network}", ""]
        for section in sections:
            parts += [f"### {section.question}", ""]
            parts += [*(f"- {sentence}" for sentence in section.sentences), ""]
            if section.table is not None:
                parts += [cells.markdown(section.table), ""]
    return "\n".join(parts)


NOTE = (
    "A difference is claimed only where its 95 % interval, in brackets, excludes zero and its "
    "q-value, over all differences that the page looks at, is at most 0.05; it is then printed in "
    "bold. Of what is not claimed the interval says how large it may be."
)


def of_those_accused(row: Mapping[Hashable, Any]) -> str:
    """How many of those whom a threshold accuses are members, where few or many are.

    Args:
        row: of the thresholds' table, at full precision.
    """
    shares = [
        f"{100 * row[f'ppv_{prior}']:.0f} % [{100 * row[f'ppv_{prior}_low']:.0f}, "
        f"{100 * row[f'ppv_{prior}_high']:.0f}] where {100 * float(prior):g} % are members"
        for prior in ("0.5", "0.1", "0.01")
        if not math.isnan(row[f"ppv_{prior}"])
    ]
    if not shares:
        return (
            "In some network at full precision nobody is accused, so what an accusation is worth "
            "cannot be told."
        )
    return f"Of those accused at full precision, members are: {', '.join(shares)}."
