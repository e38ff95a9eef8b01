"""Who attacks, as pages speak of it: which adversary comes first, and which attack he chose.

Whoever has full precision beside the variant gets from it what full precision leaks anyway. So what
a variant leaks is what the others find, who have it alone; what it adds to full precision is a
question of its own.
"""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

from ptq_privacy.report import style
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.study.adversaries import ADVERSARIES

_CHOICE = re.compile(r"(?P<score>\w+)(, (?P<part>[a-z ]+))?( \((?P<count>\d+)\))?")


def beside_full(rows: pd.DataFrame) -> pd.Series:
    """Bool: whose adversary has full precision as well as the variant."""
    known = {name for name, adversary in ADVERSARIES.items() if adversary.beside_full}
    return rows["adversary"].isin(known) & (rows["variant"] != "full")


NONE_ALONE = (
    "Every adversary that was run has full precision as well, so what a variant leaks alone is not "
    "measured here."
)


def alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of adversaries who have a variant alone; all rows where there are no such."""
    found = rows[~beside_full(rows)]
    return rows if (found["variant"] == "full").all() else found


def leading(summary: pd.DataFrame, measure: Quoted, attack: str) -> str:
    """The adversary who finds most at the most variants, of those who have them alone.

    Args:
        summary: one network's rows of the summary.
    """
    own = summary[summary["attack"] == attack]
    compressed = alone(own[own["variant"] != "full"])
    if compressed.empty:
        return str(own["adversary"].iloc[0])
    most = first(compressed, measure)["adversary"].value_counts()
    names = list(compressed["adversary"].unique())
    return max(reversed(names), key=lambda name: most.get(name, 0))  # among equals who knows more


def first(rows: pd.DataFrame, measure: Quoted) -> pd.DataFrame:
    """Of each variant the row in which most is found."""
    place = rows.groupby("variant", sort=False)[f"{measure.metric}_mean"].idxmax()
    return rows.loc[place]


def behind(chosen: str) -> str:
    """Which attacks stand behind one that chooses, in how many networks: `RMIA online (4 of 18)`.

    Args:
        chosen: the summary's column; empty for an attack that does not choose.
    """
    count: Counter[str] = Counter()
    parts = [_CHOICE.fullmatch(part) for part in chosen.split("; ")] if chosen else []
    for part in parts:
        assert part, chosen
        count[style.score_title(part["score"])] += int(part["count"] or 1)
    if len(count) == 1:
        return next(iter(count))
    of = f" of {count.total()}"
    found = []
    for title, number in count.most_common():
        found.append(f"{title} ({number}{of})")
        of = ""
    return ", ".join(found)
