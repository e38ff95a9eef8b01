"""Sentences about intervals, by rules that never let one say more than its interval does.

A difference is claimed only where its 95% interval excludes zero, and then by its bound nearer to
zero, rounded towards it. Where zero lies inside, the sentence says that nothing can be told, not
that nothing is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

HIGHER, LOWER, OPEN, UNKNOWN = "higher", "lower", "open", "unknown"


@dataclass(frozen=True)
class Section:
    """An answer: a question, and sentences that the numbers bear out."""

    question: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """What to say of the members of each verdict; the items follow after a colon."""

    higher: str
    lower: str
    open: str
    unknown: str = "Could not be told, for want of data or of a gain to compare with"


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says of its sign."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    return HIGHER if low > 0 else LOWER if high < 0 else OPEN


def at_least(low: float, high: float, digits: int) -> str:
    """The bound of an interval nearer to zero, rounded towards zero, without its sign."""
    bound = min(abs(low), abs(high))
    floored = math.floor(bound * 10**digits + 1e-9) / 10**digits
    return f"{floored:.{digits}f}" if floored else "just above 0"


def grouped(rows: pd.DataFrame, words: Words, unit: str, scale: float, digits: int) -> list[str]:
    """One sentence a verdict that occurs, with the variants it holds for.

    A difference is followed by how large it is at least; what is open, by how far it may reach.

    Args:
        rows: columns `name`, `low`, `high`.
        unit: of the numbers.
        scale: from the table's numbers to that unit.
    """
    verdicts = [verdict(low, high) for low, high in zip(rows["low"], rows["high"], strict=True)]
    sentences = []
    for kind in (HIGHER, LOWER, OPEN, UNKNOWN):
        own = rows[[found == kind for found in verdicts]]
        if own.empty:
            continue
        text, lows, highs = getattr(words, kind), scale * own["low"], scale * own["high"]
        if kind in (HIGHER, LOWER):
            items = [
                f"{name} ({at_least(low, high, digits)})"
                for name, low, high in zip(own["name"], lows, highs, strict=True)
            ]
            text += f", by at least the {unit} in brackets: {'; '.join(items)}."
        else:
            text += f": {listed(own['name'], len(rows))}."
        if kind == OPEN:
            reach = f"{lows.min():+.{digits}f} to {highs.max():+.{digits}f} {unit}"
            text += f" Together their intervals reach from {reach}."
        sentences.append(text)
    return sentences


def listed(names: Iterable[str], all_there_are: int) -> str:
    names = list(names)
    return f"all {len(names)} variants" if 2 < len(names) == all_there_are else "; ".join(names)


def claims(looked: Sequence[pd.DataFrame]) -> tuple[int, int]:
    """How many differences tables of `low` and `high` hold, and how many exclude zero."""
    verdicts = [
        verdict(low, high)
        for table in looked
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    known = [found for found in verdicts if found != UNKNOWN]
    return len(known), sum(found != OPEN for found in known)


def chance(looked: int, found: int) -> str:
    """What many comparisons do to 95% intervals, said in numbers."""
    return (
        f"This page looks at {looked} differences of this network, each with its 95 % interval; "
        f"{found} of them exclude zero. If there were no difference anywhere, about "
        f"{looked / 20:.0f} would do so by chance, and they would often be neighbours, since all "
        "share targets and images: a pattern over many variants counts for more than any single "
        "one. The intervals cover other targets of this pool and other images of this data set; "
        "they do not cover training the pool again."
    )


def as_markdown(networks: Iterable[tuple[str, Sequence[Section]]]) -> str:
    """The same sentences for a terminal or a repository's page."""
    parts = ["# What can be concluded", ""]
    for network, sections in networks:
        parts += [f"## {network}", ""]
        for section in sections:
            parts += [f"### {section.question}", ""]
            parts += [f"- {sentence}" for sentence in section.sentences] + [""]
    return "\n".join(parts)
