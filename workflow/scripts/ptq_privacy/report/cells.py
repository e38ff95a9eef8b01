"""The cells of tables that people read, in text: values with their intervals, and Markdown.

A difference stands out (in bold) where its interval excludes zero and its claim stands (`claims`),
and only there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptq_privacy.report import claims, style
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.study.variants import Variant


class Interval(NamedTuple):
    """A value with its 95% interval; NaN where there is none."""

    value: float
    low: float
    high: float
    digits: int
    difference: bool = False
    counted: bool = True  # its claim stands when all others are counted

    @property
    def known(self) -> bool:
        return self.value == self.value

    @property
    def claimed(self) -> bool:
        return self.difference and self.counted and (self.low > 0 or self.high < 0)

    @property
    def bounds(self) -> str:
        """The interval alone; empty where only the value is known."""
        if self.low != self.low:
            return ""
        return f"[{self._shown(self.low)}, {self._shown(self.high)}]"

    def __str__(self) -> str:
        if not self.known:
            return UNKNOWN
        return f"{self._shown(self.value)} {self.bounds}".rstrip()

    def _shown(self, value: float) -> str:
        rounded = round(value, self.digits) + 0.0  # no zero below zero
        return f"{rounded:{'+' if self.difference else ''}.{self.digits}f}"


UNKNOWN = "–"
DIGITS_OF_BOUNDS = 2
ESTIMATE = ("estimate", "low", "high")


def text(cell: object) -> str:
    """A cell as Markdown has it."""
    if isinstance(cell, Interval):
        return f"**{cell}**" if cell.claimed else str(cell)
    if isinstance(cell, float):
        return UNKNOWN if cell != cell else f"{cell:.4g}"
    return str(cell)


def markdown(table: pd.DataFrame) -> str:
    """A table with its first column to the left and all others to the right."""
    lines = [list(table.columns), ["---", *["---:"] * (len(table.columns) - 1)]]
    lines += [list(map(text, row)) for row in table.itertuples(index=False, name=None)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def column(
    rows: pd.DataFrame,
    parts: Sequence[str],
    scale: float,
    digits: int,
    difference: bool = False,
) -> pd.Series:
    """A value with its interval for each row, by the row's `name`.

    Args:
        parts: the columns of the value, of its lower and of its upper bound.
        scale: from the table's numbers to what is shown.
    """
    values = (scale * rows[list(parts)]).to_numpy(dtype=float).tolist()
    counted = claims.stand(rows) if difference else pd.Series(True, rows.index)
    found = [
        Interval(value, low, high, digits, difference, bool(stands))
        for (value, low, high), stands in zip(values, counted, strict=True)
    ]
    return pd.Series(found, index=rows["name"], dtype=object)


def measured(
    rows: pd.DataFrame, measure: Quoted, parts: Sequence[str] = ESTIMATE, difference: bool = False
) -> pd.Series:
    """A measure's values, or differences of it, as `column` has them."""
    return column(rows, parts, measure.scale, measure.digits, difference)


def values(rows: pd.DataFrame, part: str, scale: float, digits: int) -> pd.Series:
    """A value without an interval for each row, by the row's `name`."""
    unknown = rows.assign(unknown=float("nan"))
    return column(unknown, (part, "unknown", "unknown"), scale, digits)


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of variants with a `name` for people."""
    return rows.assign(name=[style.name(Variant.recorded(text)) for text in rows["variant"]])


def rounded_down(bounds: pd.Series) -> pd.Series:
    """Lower bounds as they are shown."""
    return np.floor(bounds * 10**DIGITS_OF_BOUNDS + 1e-9) / 10**DIGITS_OF_BOUNDS


def rounded_up(bounds: pd.Series) -> pd.Series:
    """Upper bounds as they are shown."""
    return np.ceil(bounds * 10**DIGITS_OF_BOUNDS - 1e-9) / 10**DIGITS_OF_BOUNDS


def tested(rows: pd.DataFrame) -> pd.Series:
    """p and q of each row's difference, by the row's `name`; empty where it was not counted."""
    texts = (
        [
            "" if q != q else f"{p:.3f}, {q:.3f}"
            for p, q in zip(rows["p_value"], rows["q_value"], strict=True)
        ]
        if "q_value" in rows
        else [""] * len(rows)
    )
    return pd.Series(texts, index=rows["name"], dtype=object)


def joined(columns: Mapping[str, pd.Series], first: str = "variant") -> pd.DataFrame | None:
    """A table of such columns, a row a name, in the order of the column that has the most names.

    Args:
        first: heading of the names. None comes back where there are no cells.
    """
    names = max(columns.values(), key=len).index if columns else pd.Index([])
    if names.empty:
        return None
    table = pd.DataFrame({first: list(names)}, dtype=object)
    for title, values in columns.items():
        cells = values.to_dict()
        table[title] = [cells.get(name, UNKNOWN) for name in names]
    return table
