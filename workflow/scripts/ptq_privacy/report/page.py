"""Self-contained HTML pages: text, and tables that sort by a click and filter by a word.

A page loads nothing: its style and its few lines of script are inside. Numbers are right-aligned
and sort by their value, not by their text.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ptq_privacy.report.sentences import Section


class Interval(NamedTuple):
    """A cell that shows a value with its 95% interval and sorts by the value."""

    value: float
    low: float
    high: float
    digits: int


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 1.5rem auto; max-width: 62rem;
       padding: 0 1rem; background: #fff; }
body.wide { max-width: none; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2rem; border-top: 1px solid #ccc;
     padding-top: 1rem; } h3 { font-size: 1rem; margin-bottom: .2rem; }
li { margin: .25rem 0; }
table { border-collapse: collapse; font-size: 13px; }
th { background: #eee; cursor: pointer; position: sticky; top: 0; text-align: left;
     vertical-align: bottom; user-select: none; }
th, td { padding: .2rem .5rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
th[aria-sort=ascending]::after { content: " \\25b2"; }
th[aria-sort=descending]::after { content: " \\25bc"; }
input { font: inherit; padding: .2rem .4rem; margin: .5rem 0; width: 20rem; }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  table.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");  // nothing known: always last
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
for (const input of document.querySelectorAll("input")) {
  const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(" ");
    for (const row of rows)
      row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  });
}
"""


def page(title: str, body: Sequence[str], wide: bool = False) -> str:
    """A whole document from blocks of HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body{' class=wide' if wide else ''}>\n<h1>{html.escape(title)}</h1>\n"
        + "\n".join(body)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def answers(network: str, sections: Sequence[Section]) -> str:
    """A network's conclusions, a list of sentences a question."""
    parts = [f"<h2>{html.escape(network)}</h2>"]
    for section in sections:
        parts.append(f"<h3>{html.escape(section.question)}</h3>\n<ul>")
        parts += [f"<li>{html.escape(sentence)}</li>" for sentence in section.sentences]
        parts.append("</ul>")
    return "\n".join(parts)


def sortable(table: pd.DataFrame, name: str) -> str:
    """A table with a field to filter it; numbers are shown to four digits and sorted exactly."""
    heads = "".join(f"<th>{html.escape(column)}</th>" for column in table.columns)
    rows = (
        f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.itertuples(index=False, name=None)
    )
    return (
        f'<input data-table="{name}" placeholder="filter: words that a row must hold" '
        f'aria-label="filter">\n<table id="{name}">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table>"
    )


def _cell(value: object) -> str:
    if isinstance(value, Interval):
        if value.value != value.value:
            return '<td data-value=""></td>'
        shown, low, high = (f"{part:.{value.digits}f}" for part in value[:3])
        return f'<td class="number" data-value="{value.value!r}">{shown} [{low}, {high}]</td>'
    if isinstance(value, float):
        if value != value:
            return '<td data-value=""></td>'
        return f'<td class="number" data-value="{value!r}">{value:.4g}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value}</td>'
    return f"<td>{html.escape(str(value))}</td>"
