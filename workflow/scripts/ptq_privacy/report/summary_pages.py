"""The summary and the adversaries side by side, in the forms that people and programs read."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ptq_privacy.report import page, style
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant

METRIC_LABELS = {
    "tpr_at_fpr_0.001": ("TPR at 0.1 % FPR, %", 100, 2),
    "tpr_at_fpr_0.01": ("TPR at 1 % FPR, %", 100, 2),
    "auc": ("AUC", 1, 3),
    "balanced_accuracy": ("balanced accuracy, %", 100, 2),
    "log_auc_loglog": ("log-log AUC", 1, 3),
    "log_auc_semilog": ("semi-log AUC", 1, 3),
}
"""Heading, scale and decimals of each metric."""

SUMMARY_TEXT = (
    "One row a data set, network, variant, adversary and attack; a click on a heading sorts. "
    "Means over targets, in brackets the 95 % interval over targets and images. The pooled TPR is "
    "read off one ROC over all targets' scores. Every number, unrounded, is in the CSV."
)
ADVERSARY_TEXT = (
    "TPR at 0.1 % FPR in per cent with its 95 % interval. The gain taken back is the share of the "
    "gain against the transfer adversary (full precision less transfer) that the adaptive one "
    "undoes; it is empty where that gain may be zero. p is two-sided, of the difference, and knows "
    "nothing of the other rows."
)


NOT_BOTH = "Nothing was attacked by both, so there is nothing to compare."


def summary_page(table: pd.DataFrame) -> str:
    """The summary as a page, every metric with its interval."""
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "network": table["network"],
            "variant": _names(table),
            "adversary": table["adversary"],
            "attack": table["attack"].map(style.score_title),
            "bits a weight": table["bits_per_weight"].round(2),
            "zeros, %": (100 * table["zero_fraction"]).round(1),
            "test accuracy, %": (100 * table["test_accuracy_mean"]).round(2),
        }
    )
    for metric, (label, scale, digits) in METRIC_LABELS.items():
        columns = [f"{metric}_mean", f"{metric}_low", f"{metric}_high"]
        shown[label] = _intervals(table, columns, scale, digits)
        if metric == TPR:
            shown["pooled, %"] = (100 * table[f"{metric}_pooled"]).round(2)
    shown["non-members"] = table["nonmembers"]
    body = [page.paragraph(SUMMARY_TEXT), page.sortable(shown, "summary")]
    return page.page("Summary", body, wide=True)


def _names(table: pd.DataFrame) -> list[str]:
    return [style.name(Variant.recorded(text)) for text in table["variant"]]


def _intervals(
    table: pd.DataFrame, columns: Sequence[str], scale: float, digits: int
) -> list[page.Interval]:
    """Value, low and high of these columns as cells."""
    rows = (scale * table[list(columns)]).to_numpy().tolist()
    return [page.Interval(value, low, high, digits) for value, low, high in rows]


def adversaries_page(table: pd.DataFrame) -> str:
    """`adversaries.side_by_side` of all networks as a page, in per cent."""
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "network": table["network"],
            "attack": table["attack"].map(style.score_title),
            "variant": _names(table),
            "full precision, %": (100 * table["full"]).round(2),
        }
    )
    for column, label, digits in (
        ("transfer", "transfer, %", 2),
        ("adaptive", "adaptive, %", 2),
        ("difference", "adaptive - transfer, points", 2),
        ("taken_back", "gain taken back, %", 0),
    ):
        columns = [column, f"{column}_low", f"{column}_high"]
        shown[label] = _intervals(table, columns, 100, digits)
    shown["p"] = table["p_value"]
    shown["enough non-members"] = table["supported"].map({True: "yes", False: "no"})
    body = [page.paragraph(ADVERSARY_TEXT), page.sortable(shown, "adversaries")]
    if table.empty:
        body = [page.paragraph(NOT_BOTH)]
    return page.page("Transfer against adaptive", body, wide=True)


def adversaries_markdown(table: pd.DataFrame, attacks: Sequence[str]) -> str:
    """The attacks that the figures show, one line a variant, intervals in brackets."""
    parts = ["# Transfer against adaptive", "", NOT_BOTH if table.empty else ADVERSARY_TEXT, ""]
    heads = ["variant", "transfer %", "adaptive %", "difference, points", "taken back %", "p"]
    for (dataset, network, attack), rows in table.groupby(
        ["dataset", "network", "attack"], sort=False
    ):
        if attack not in attacks:
            continue
        full = 100 * rows["full"].iloc[0]
        parts += [f"## {dataset}, {network}: {style.score_title(str(attack))}", ""]
        parts += [f"Full precision: {full:.2f} %.", ""]
        parts += ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        for _, row in rows.iterrows():
            cells = [style.name(Variant.recorded(row["variant"]))]
            cells += [_interval(row, name, 2) for name in ("transfer", "adaptive", "difference")]
            cells += [_interval(row, "taken_back", 0), f"{row['p_value']:.3f}"]
            parts.append("| " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _interval(row: pd.Series, column: str, digits: int) -> str:
    value, low, high = (100 * row[f"{column}{part}"] for part in ("", "_low", "_high"))
    if value != value:
        return "-"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
