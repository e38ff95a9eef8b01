"""The report's building blocks: one HTML document that loads nothing, and the tables in it.

Style and script are inside the document. A table sorts by a click on a heading, numbers by their
value and not by their text; it filters by words, by the values of one column, and keeps some
columns back until they are asked for. Without JavaScript everything is there, unsorted.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from ptq_privacy.report.cells import UNKNOWN, Interval


class Drawn(NamedTuple):
    """A cell with a drawing, which sorts by its value."""

    value: float
    svg: str


STYLE = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dfe4ea; --shade: #f4f6f9; --full: #1d2733;
        --less: #0072b2; --chance: #b0b8c1; --paper: #fff; --over: #eef4fa; color-scheme: light; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ee; --soft: #9aa7b5; --line: #323c47; --shade: #232b34; --full: #e3e8ee;
          --less: #57b0ea; --chance: #6b7785; --paper: #161b21; --over: #27313c;
          color-scheme: dark; }
  figure img { background: #fff; border-radius: 6px; }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
       margin: 0 auto; max-width: 1380px; padding: 0 1.2rem 3rem; background: var(--paper); }
html { background: var(--paper); }
h1 { font-size: 1.55rem; margin: 1rem 0 .2rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1.02rem; margin: 1.4rem 0 .3rem; }
p { margin: .3rem 0 .6rem; } ul { margin: .2rem 0 .6rem; padding-left: 1.2rem; }
li { margin: .25rem 0; }
.soft { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: .4rem 0 .2rem; font-size: 14px; }
a { color: var(--less); text-decoration: none; } a:hover { text-decoration: underline; }
.card { border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.3rem 1.1rem;
        margin: .8rem 0 1.4rem; box-shadow: 0 1px 4px #0001; }
.card > h2 { margin: 0; }
.card .sides { display: grid; grid-template-columns: 17.5rem minmax(0, 1fr); gap: 1.5rem; }
td.long { white-space: normal; font-size: 12px; min-width: 10rem; }
details .wide { overflow-x: auto; }
.big { font-size: 2.9rem; line-height: 1.1; font-weight: 650; margin: .5rem 0 .2rem; }
.remarks { padding-left: 0; list-style: none; font-size: 14px; columns: 2; column-gap: 1.5rem; }
.remarks li { border-top: 1px solid var(--line); padding: .5rem 0; margin: 0; break-inside: avoid; }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
th { background: var(--shade); cursor: pointer; position: sticky; top: 0; z-index: 1;
     text-align: right; vertical-align: bottom; user-select: none; font-weight: 600; }
th:first-child, td { text-align: left; }
td { white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
th, td { padding: .17rem .4rem; border-bottom: 1px solid var(--line); }
th.words { text-align: left; }
td small { color: var(--soft); font-size: 12px; } td strong small { color: inherit; }
th[aria-sort=ascending]::after { content: " \\25b2"; }
th[aria-sort=descending]::after { content: " \\25bc"; }
tbody tr:hover { background: var(--over); }
tr.best td:first-child { font-weight: 650; }
td svg { display: block; overflow: visible; }
.brief .more { display: none; }
table:has(.more):not(.brief) { font-size: 12px; }
table:has(.more):not(.brief) small { font-size: 11px; }
.many:not(.brief) small { display: block; line-height: 1.1; }
.controls { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center; margin: .5rem 0;
            font-size: 14px; }
.controls input[type=search] { font: inherit; padding: .2rem .5rem; width: 19rem; }
.controls select { font: inherit; padding: .15rem .3rem; }
figure { margin: .8rem 0 2rem; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: 13.5px; color: var(--soft); max-width: 62rem; }
.answers { max-width: 62rem; }
details { margin: .3rem 0 1rem; } summary { cursor: pointer; color: var(--less); font-size: 14px; }
@media (max-width: 900px) { .card .sides { grid-template-columns: 1fr; } .remarks { columns: 1; }
  .wide { overflow-x: auto; } }
@media print { nav, .controls { display: none; } details > * { display: block; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const controls = document.querySelectorAll(`[data-table="${table.id}"]`);
  const filter = () => {
    for (const row of body.rows) row.hidden = [...controls].some(control => {
      if (control.type === "checkbox") return false;
      if (control.tagName === "SELECT")
        return !["", row.cells[control.dataset.column].textContent].includes(control.value);
      const text = row.textContent.toLowerCase();
      return !control.value.toLowerCase().split(" ").every(word => text.includes(word));
    });
  };
  for (const control of controls) control.addEventListener("input", () =>
    control.type === "checkbox" ? table.classList.toggle("brief", !control.checked) : filter());
  filter();
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
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
"""

MANY = 11
"""Columns beyond which a page of 1,400 pixels needs intervals to stand below their values."""

LONG = 30
"""Characters beyond which a cell's words may go on in a line of their own."""


def page(title: str, body: Sequence[str]) -> str:
    """A whole document from blocks of HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def element(tag: str, text: str, **attributes: str) -> str:
    """Text in an element; `class_` stands for `class`."""
    return block(tag, html.escape(text).replace(" %", "\N{NO-BREAK SPACE}%"), **attributes)


def block(tag: str, inside: str, **attributes: str) -> str:
    """HTML in an element."""
    known = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{known}>{inside}</{tag}>"


def listed(sentences: Sequence[str], **attributes: str) -> str:
    """A list of sentences."""
    return block("ul", "".join(element("li", text) for text in sentences), **attributes)


def folded(summary: str, inside: str) -> str:
    """HTML that opens by a click."""
    return block("details", f"{element('summary', summary)}\n{inside}\n")


def table(
    frame: pd.DataFrame,
    name: str,
    more: Collection[str] = (),
    marked: Sequence[bool] | None = None,
) -> str:
    """A table that sorts; numbers are shown to four digits and sorted exactly.

    Args:
        name: the element's id.
        more: columns that are kept back until the table's checkbox is set.
        marked: rows that stand out.
    """
    kinds = ["more" if column in more else "" for column in frame.columns]
    words = [all(isinstance(cell, str) for cell in frame[column]) for column in frame]
    heads = "".join(
        f"<th{_class(kind, 'words' if word else '')}>{html.escape(str(column))}</th>"
        for column, kind, word in zip(frame.columns, kinds, words, strict=True)
    )
    best = marked or [False] * len(frame)
    rows = (
        f"<tr{_class('best' if chosen else '')}>"
        + "".join(_cell(value, kind) for value, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row, chosen in zip(frame.itertuples(index=False, name=None), best, strict=True)
    )
    brief = _class("brief" if more else "", "many" if len(frame.columns) > MANY else "")
    return (
        f'<div class="wide"><table id="{html.escape(name)}"{brief}>\n'
        f"<thead><tr>{heads}</tr></thead>\n"
        "<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table></div>"
    )


def controls(frame: pd.DataFrame, name: str, chosen: Mapping[str, str], more: str = "") -> str:
    """What filters a table: words, the values of some columns, and a box that shows all columns.

    Args:
        chosen: by column, the value that is shown at first; empty for all of them.
        more: the checkbox's label; empty where no columns are kept back.
    """
    table = f'data-table="{html.escape(name)}"'
    parts = [
        f'<input type="search" {table} placeholder="words that a row must hold" '
        'aria-label="filter">'
    ]
    for column, value in chosen.items():
        place = list(frame.columns).index(column)
        options = ['<option value="">all</option>'] + [
            f"<option{' selected' * (text == value)}>{html.escape(text)}</option>"
            for text in frame[column].unique()
        ]
        parts.append(
            f'<label>{html.escape(column)} <select {table} data-column="{place}">'
            f"{''.join(options)}</select></label>"
        )
    if more:
        parts.append(f'<label><input type="checkbox" {table}> {html.escape(more)}</label>')
    return f'<div class="controls">{" ".join(parts)}</div>'


def _class(*names: str) -> str:
    found = " ".join(name for name in names if name)
    return f' class="{found}"' if found else ""


def _cell(value: object, kind: str) -> str:
    if isinstance(value, Drawn):
        return f'<td{_class(kind)} data-value="{value.value!r}">{value.svg}</td>'
    if value == UNKNOWN or (isinstance(value, float) and value != value):
        return f'<td{_class("number", kind)} data-value="">{UNKNOWN}</td>'
    if isinstance(value, Interval):
        if not value.known:
            return _cell(UNKNOWN, kind)
        shown, _, bounds = str(value).partition(" ")
        inside = f"{shown} <small>{bounds}</small>" if bounds else shown
        if value.claimed:
            inside = f"<strong>{inside}</strong>"
        return f'<td{_class("number", kind)} data-value="{value.value!r}">{inside}</td>'
    if isinstance(value, float):
        return f'<td{_class("number", kind)} data-value="{value!r}">{value:.4g}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td{_class('number', kind)}>{value}</td>"
    long = "long" if len(str(value)) > LONG else ""
    return f"<td{_class(long, kind)}>{html.escape(str(value))}</td>"
