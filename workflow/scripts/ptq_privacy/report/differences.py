"""The summary's short tables of differences: an attacker who adapts, and calibration samples."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant

TPR = "tpr_at_fpr_0.001"
UNCORRECTED = (
    "Differences in percentage points of TPR@0.1%FPR, with 95 % intervals over targets and "
    "samples; p two-sided, not corrected for the number of rows."
)


def of_adversaries(comparisons: pd.DataFrame, attack: str) -> str:
    """Markdown of what adapting gains at each variant; empty where only one adversary attacked.

    Args:
        comparisons: what `attacks.comparisons.compare` gave.
    """
    chosen = comparisons[(comparisons["attack"] == attack) & (comparisons["metric"] == TPR)]
    by_kind = dict(list(chosen.groupby("kind")))
    if "adaptive_minus_transfer" not in by_kind:
        return ""
    lines = [
        "### What if the attacker adapts?\n",
        f"{UNCORRECTED} Taken back is the share of the gain in privacy against the transfer "
        "adversary that the adaptive one undoes; – where that gain may be zero.\n",
        "| variant | transfer - full | adaptive - full | adaptive - transfer | p | taken back % |",
        "|" + " --- |" * 6,
    ]
    for variant in by_kind["adaptive_minus_transfer"]["variant"]:
        own = {kind: rows[rows["variant"] == variant] for kind, rows in by_kind.items()}
        against = own["against_full"].set_index("adversary")
        risen = own["adaptive_minus_transfer"].iloc[0]
        cells = [
            style.name(Variant.recorded(variant)),
            _points(against.loc["transfer"]),
            _points(against.loc["adaptive"]),
            _points(risen),
            f"{risen['p_value']:.3f}",
            _share(own["taken_back"].iloc[0]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def of_calibration(calibration: pd.DataFrame) -> str:
    """Markdown of calibration samples against other members, one row a variant and adversary.

    Args:
        calibration: what `stages.compare.compare_calibration` wrote.
    """
    chosen = calibration[calibration["metric"] == TPR]
    lines = [
        "### Does calibration leak?\n",
        f"TPR@0.1%FPR of the {chosen['calibration_samples'].iloc[0]} members that calibrated a "
        f"target and of its other members, against the same non-members. {UNCORRECTED}\n",
        "| variant | adversary | calibration % | other % | difference | p |",
        "|" + " --- |" * 6,
    ]
    for _, row in chosen.iterrows():
        cells = [
            style.name(Variant.recorded(row["variant"])),
            row["adversary"],
            f"{100 * row['calibration']:.2f}",
            f"{100 * row['other']:.2f}",
            _points(row, "difference"),
            f"{row['p_value']:.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _points(row: pd.Series, column: str = "estimate") -> str:
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{100 * row[column]:+.2f} [{low:+.2f}, {high:+.2f}]"


def _share(row: pd.Series) -> str:
    if np.isnan(row["estimate"]):
        return "–"
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{100 * row['estimate']:.0f} [{low:.0f}, {high:.0f}]"
