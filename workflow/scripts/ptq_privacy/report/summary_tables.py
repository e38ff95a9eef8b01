"""The summary and the adversaries side by side, in the forms that people read.

A rate at an FPR stands only where a target's non-members resolve it; see `quoted`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ptq_privacy.attacks import metrics
from ptq_privacy.report import cells, claims, page, quoted, style
from ptq_privacy.report.cells import Interval
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.variants import Variant

OTHERS = {
    "balanced_accuracy": ("balanced accuracy, %", 100, 2),
    "log_auc_loglog": ("log-log AUC", 1, 3),
    "log_auc_semilog": ("semi-log AUC", 1, 3),
}
"""Heading, scale and decimals of the metrics beside those that are quoted."""

SUMMARY_TEXT = (
    "One row a variant, adversary and attack; the headline's attack is shown at first. Means over "
    "targets, in brackets the 95 % interval over targets and samples. Epsilon: of how this network "
    "was trained and compressed, with 95 % confidence. The axes of the log areas "
    "begin at the rate of one non-member, or at 1e-5 (log-log) and 1e-3 (semi-log) where that is "
    "more. A click on a heading sorts. "
    "Every number, unrounded, is in tables/summary.csv."
)
EPSILON = "epsilon at least"
PROMISED = "epsilon promised"
UNRESOLVED = "A dash stands where a network's non-members do not resolve the rate."
ADVERSARY_TEXT = (
    "The gain taken back is the share of the gain against the transfer adversary (full precision "
    "less transfer) that the adaptive one undoes; it is not given where that gain may be zero. "
    "Both - full precision: what is found more where both networks are published than in full "
    "precision alone; an interval around zero says how much that may be, not that it is nothing. "
    "In bold are differences whose 95 % interval excludes zero and whose q is at most 0.05; p is "
    "two-sided and knows nothing of the other rows, q counts all differences of the page."
)
NOT_BOTH = "Nothing was attacked by two adversaries, so there is nothing to compare."


def measures(table: pd.DataFrame) -> list[Quoted]:
    """Those that the non-members of some row resolve, in their order."""
    most = int(table["nonmembers"].max())
    return [one for one in quoted.CHOICES if metrics.supports(most, one.metric)]


def summary_as_html(table: pd.DataFrame, attack: str) -> list[str]:
    """The summary with every metric, of which those that are quoted and the AUC come first."""
    ordered = table.sort_values("attack", key=lambda names: names != attack, kind="stable")
    shown = _places(ordered)
    shown["adversary"] = ordered["adversary"].to_list()
    shown["attack"] = [style.score_title(score) for score in ordered["attack"]]
    shown["bits a weight"] = _values(ordered["bits_per_weight"])
    shown["accuracy, %"] = _values(100 * ordered["test_accuracy_mean"])
    for measure in measures(ordered):
        shown[_heading(measure)] = _resolved(ordered, measure)
    shown[EPSILON] = _values(cells.rounded_down(ordered["epsilon_lower"]))
    counts = ordered["nonmembers"].unique()
    if ordered["epsilon_promised"].notna().any():
        shown[PROMISED] = _values(cells.rounded_up(ordered["epsilon_promised"]))
    if ordered["chosen"].any():
        shown["attack chosen, in how many networks"] = ordered["chosen"].to_list()
    first = {_heading(quoted.quoted(int(count))) for count in counts}
    first |= {
        *_places(ordered).columns,
        "adversary",
        "attack",
        "bits a weight",
        "accuracy, %",
        "AUC",
        EPSILON,
        PROMISED,
    }
    for metric, (title, scale, digits) in OTHERS.items():
        parts = [f"{metric}_{part}" for part in ("mean", "low", "high")]
        shown[title] = cells.column(ordered.assign(name=""), parts, scale, digits).to_list()
    shown["zeros, %"] = _values(100 * ordered["zero_fraction"], 1)
    if ordered["nonmembers"].nunique() > 1:
        shown["non-members"] = ordered["nonmembers"].to_list()
    chosen = {"attack": style.score_title(attack), "adversary": ""}
    few = len({quoted.quoted(int(count)).metric for count in counts}) > 1
    text = f"{SUMMARY_TEXT} {UNRESOLVED}" if few else _with_note(SUMMARY_TEXT, int(counts.min()))
    return [
        page.element("h2", "Every number", id="summary-heading"),
        page.element("p", text, class_="soft"),
        page.controls(shown, "summary", chosen, "every metric"),
        page.table(shown, "summary", more=[str(column) for column in shown if column not in first]),
    ]


def summary_as_markdown(table: pd.DataFrame, attack: str) -> str:
    """A table a network of what the headline's attack finds: variants down, adversaries across."""
    parts = ["# Summary", ""]
    own = table[table["attack"] == attack]
    for (dataset, network), group in own.groupby(["dataset", "network"], sort=False):
        first = group.iloc[0]
        nonmembers = int(group["nonmembers"].min())
        measure = quoted.quoted(nonmembers)
        text = (
            f"{style.score_title(attack)}, {style.counted(first['targets'], 'target')}, "
            f"{first['shadow_models']} shadow models, {first['members']} members and {nonmembers} "
            "non-members a target. In brackets the 95 % interval over "
            f"{'targets and samples' if first['targets'] > 1 else 'samples of this one target'}."
        )
        parts += [f"## {dataset}, {network}", "", _with_note(text, nonmembers), ""]
        parts += [cells.markdown(_across(group, measure)), ""]
    return "\n".join(parts)


def _across(group: pd.DataFrame, measure: Quoted) -> pd.DataFrame:
    """One network's rows of one attack, a row a variant; full precision under every adversary."""
    variants = group.drop_duplicates("variant")
    shown = pd.DataFrame({"variant": _names(variants)})
    shown["bits a weight"] = variants["bits_per_weight"].map("{:.2f}".format).to_list()
    deviations = zip(variants["test_accuracy_mean"], variants["test_accuracy_std"], strict=True)
    shown["test accuracy %"] = [_with_deviation(mean, deviation) for mean, deviation in deviations]
    for adversary in group["adversary"].unique():
        rows = group[(group["adversary"] == adversary) | (group["variant"] == "full")]
        for one in dict.fromkeys((measure, quoted.AREA)):
            heading = f"{_heading(one)}, {adversary}"
            shown = shown.merge(
                pd.DataFrame({"variant": _names(rows), heading: _resolved(rows, one)}),
                on="variant",
                how="left",
            )
    return shown


def adversaries_as_html(table: pd.DataFrame, attack: str) -> list[str]:
    """`side_by_side` of all networks."""
    ordered = table.sort_values("attack", key=lambda names: names != attack, kind="stable")
    shown = _places(ordered)
    shown["attack"] = [style.score_title(score) for score in ordered["attack"]]
    text = ADVERSARY_TEXT
    if ordered["metric"].nunique() > 1:
        shown["metric"] = [_measure(row).title for row in ordered.to_dict("records")]
    else:
        text = f"The {_measure(ordered.iloc[0].to_dict()).label}. {text}"
    shown["full precision"] = [_interval(row, "full") for row in ordered.to_dict("records")]
    for column, heading in _columns(ordered).items():
        shown[heading] = [_interval(row, column) for row in ordered.to_dict("records")]
        if column in TESTED:
            shown[f"p, {heading}"] = _values(ordered[f"{TESTED[column]}p_value"], 3)
            shown[f"q, {heading}"] = _values(ordered[f"{TESTED[column]}q_value"], 3)
    chosen = {"attack": style.score_title(attack)}
    return [
        page.element("h2", "Adversary against adversary", id="adversaries-heading"),
        page.element("p", text, class_="soft"),
        page.controls(shown, "adversaries", chosen),
        page.table(shown, "adversaries"),
    ]


DIFFERENCES = {
    "difference": "adaptive - transfer",
    "taken_back": "gain taken back, %",
    "added": "both - full precision",
}
TESTED = {"difference": "", "added": "added_"}
"""Of what p and q are, and what these columns' names begin with."""


def _columns(table: pd.DataFrame) -> dict[str, str]:
    """The headings of those columns of `side_by_side` in which something was measured."""
    columns = {name: name for name in ADVERSARIES if name in table} | DIFFERENCES
    return {column: heading for column, heading in columns.items() if table[column].notna().any()}


def adversaries_as_markdown(table: pd.DataFrame, attacks: Sequence[str]) -> str:
    """The attacks that the figures show, one line a variant, intervals in brackets."""
    parts = ["# Adversary against adversary", "", NOT_BOTH if table.empty else ADVERSARY_TEXT, ""]
    for (dataset, network, attack), rows in table.groupby(
        ["dataset", "network", "attack"], sort=False
    ):
        if attack not in attacks:
            continue
        records = rows.to_dict("records")
        full = _interval(records[0], "full")
        parts += [f"## {dataset}, {network}: {style.score_title(str(attack))}", ""]
        parts += [f"{_measure(records[0]).label}; at full precision {full}.", ""]
        shown = pd.DataFrame({"variant": _names(rows)})
        for column, heading in _columns(rows).items():
            shown[heading] = [_interval(row, column) for row in records]
            for name in ("p", "q") if column in TESTED else ():
                values = rows[f"{TESTED[column]}{name}_value"].map("{:.3f}".format)
                shown[f"{name}, {heading}"] = values.to_list()
        parts += [cells.markdown(shown), ""]
    return "\n".join(parts)


def _measure(row: dict) -> Quoted:
    return next(one for one in quoted.CHOICES if one.metric == row["metric"])


def _interval(row: dict, column: str) -> Interval:
    """A cell of `side_by_side`."""
    measure = _measure(row)
    scale, digits = (100, 0) if column == "taken_back" else (measure.scale, measure.digits)
    nothing = float("nan")
    parts = (row.get(f"{column}{part}", nothing) for part in ("", "_low", "_high"))
    value, low, high = (scale * part for part in parts)
    difference = column in TESTED
    stands = not difference or row[f"{TESTED[column]}q_value"] <= claims.LEVEL
    return Interval(value, low, high, digits, difference, stands)


def _places(table: pd.DataFrame) -> pd.DataFrame:
    """Data set, network and variant of each row; the first two only where there are several."""
    shown = pd.DataFrame(index=pd.RangeIndex(len(table)))
    for column, heading in (("dataset", "data set"), ("network", "network")):
        if table[column].nunique() > 1:
            shown[heading] = table[column].to_list()
    shown["variant"] = _names(table)
    return shown


def _names(table: pd.DataFrame) -> list[str]:
    return [style.name(Variant.recorded(text)) for text in table["variant"]]


def _heading(measure: Quoted) -> str:
    return f"{measure.title}, {measure.unit}" if measure.unit else measure.title


def _resolved(table: pd.DataFrame, measure: Quoted) -> list[Interval | str]:
    """The measure's cells; unknown where a row's non-members do not resolve it."""
    parts = [f"{measure.metric}_{part}" for part in ("mean", "low", "high")]
    found = cells.column(table.assign(name=""), parts, measure.scale, measure.digits)
    return [
        cell if metrics.supports(int(count), measure.metric) else cells.UNKNOWN
        for cell, count in zip(found, table["nonmembers"], strict=True)
    ]


def _values(numbers: pd.Series, digits: int = 2) -> list[Interval]:
    rows = pd.DataFrame({"name": "", "value": numbers})
    return cells.values(rows, "value", 1, digits).to_list()


def _with_note(text: str, nonmembers: int) -> str:
    why = quoted.note(nonmembers)
    return f"{text} {why}." if why else text


def _with_deviation(mean: float, deviation: float) -> str:
    """In per cent; a single target has no deviation."""
    return f"{100 * mean:.2f}" + ("" if deviation != deviation else f" ± {100 * deviation:.2f}")
