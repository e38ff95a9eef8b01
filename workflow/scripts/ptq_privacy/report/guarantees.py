"""Which guarantees of differential privacy the attacks refute, in words.

A lower bound is rounded down, and is never read the other way round: where it is 0, or small, a
stronger attack might still find more. What was promised of a training is rounded up. The bounds are
of neighbours that replace a sample, so they are held against what the promise is there.
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
    known = own.drop_duplicates("variant").dropna(subset=["epsilon_promised"])
    if len(known):
        sentences += _of_promise(own, known)
        columns["epsilon promised"] = cells.values(
            known.assign(shown=cells.rounded_up(known["epsilon_promised"])),
            "shown",
            1,
            cells.DIGITS_OF_BOUNDS,
        )
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


def _of_promise(own: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """What differential privacy promises of a network, and whether the attacks refute it.

    Args:
        own: its rows of one attack; known: a row of each variant to which the promise extends.
    """
    first = known.iloc[0]
    promised, replacing = (
        f"{cells.rounded_up(known[name]).iloc[0]:.{cells.DIGITS_OF_BOUNDS}f}"
        for name in ("epsilon_promised", "epsilon_promised_replacing")
    )
    broken = own[own["epsilon_lower"] > own["epsilon_promised_replacing"]]
    verdict = (
        f"It is broken: more is found of {', '.join(broken['name'].unique())}. Noise or clipping "
        "are not what they should be."
        if len(broken)
        else "Nothing found contradicts it."
    )
    return [
        f"Its training promised an epsilon of {promised} (delta {first['delta_promised']:g}) where "
        f"neighbours add or remove one sample, of which {replacing} at the same delta follows "
        f"where they replace one: no bound may be above that. {verdict} What was calibrated on "
        "members is promised nothing."
    ]
