"""Which guarantees of differential privacy the attacks refute, in words.

A lower bound is rounded down, and is never read the other way round: where it is 0, or small, a
stronger attack might still find more.
"""

from __future__ import annotations

import pandas as pd

from ptq_privacy.report import cells, style
from ptq_privacy.report.sentences import Section


def remark(summary: pd.DataFrame, attack: str) -> str:
    """Of full precision, in a sentence.

    Args:
        summary: one network's rows of the summary.
    """
    own = summary[(summary["variant"] == "full") & (summary["attack"] == attack)].iloc[0]
    found = cells.rounded_down(pd.Series([own["epsilon_lower"]])).iloc[0]
    if not found:
        return ""
    shown = f"{found:.{cells.DIGITS_OF_BOUNDS}f}"
    return (
        f"No guarantee of differential privacy with an epsilon below {shown} (delta "
        f"{own['delta']:g}) can hold for this training at full precision, with 95 % confidence."
    )


def section(summary: pd.DataFrame, attack: str) -> Section:
    """Every variant's lower bound on epsilon by one attack.

    Args:
        summary: one network's rows of the summary.
    """
    own = cells.named(summary[summary["attack"] == attack])
    own = own.assign(epsilon_lower=cells.rounded_down(own["epsilon_lower"]))
    first = own.iloc[0]
    sentences = [
        f"By {style.score_title(attack)}, with 95 % confidence for each variant: no (epsilon, "
        f"{first['delta']:g})-differential privacy with an epsilon below these holds for how the "
        "network was trained and compressed, where neighbours replace one sample by another (half "
        "of it where they add or remove one).",
        "These are lower bounds: a stronger attack, or more samples, may refute more.",
    ]
    columns, refuted = {}, []
    for adversary in own["adversary"].unique():
        rows = own[(own["adversary"] == adversary) | (own["variant"] == "full")]
        compressed = rows[rows["variant"] != "full"]
        columns[f"epsilon at least, {adversary}"] = cells.values(
            rows, "epsilon_lower", 1, cells.DIGITS_OF_BOUNDS
        )
        nothing = int((compressed["epsilon_lower"] == 0).sum())
        if nothing:
            refuted.append(f"{nothing} of {len(compressed)} to the {adversary} adversary")
    if refuted:
        sentences.append(f"For these variants it is 0: {', '.join(refuted)}.")
    question = "Which guarantee of differential privacy cannot hold?"
    return Section(question, tuple(sentences), cells.joined(columns))
