"""Which classes leak more than all samples together, in words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ptq_privacy.report import cells, claims, style
from ptq_privacy.report.sentences import NAMED, Section, listed

LISTED = 20
"""Classes in the table, at most."""


def section(disparity: pd.DataFrame, attack: str) -> Section:
    """Which classes leak more or less at full precision, and where quantization changes that.

    Args:
        disparity: what `measure_disparity` wrote of one network; the page's `q_value` of full
            precision may stand in place of its own.
        attack: whose calls were counted.
    """
    question = "Do some classes leak more than others?"
    full = disparity[disparity["variant"] == "full"]
    known = full[full["exposure"].notna()]
    few = full[full["exposure"].isna()]
    sentences = []
    if len(few):
        out = "No class is" if known.empty else f"{len(few)} of {len(full)} classes are not"
        sentences.append(f"{out} measured: {few['note'].iloc[0]}.")
    if known.empty:
        return Section(question, tuple(sentences))
    fpr = 100 * float(full["fpr_limit"].iloc[0])
    told = known["q_value"] <= claims.LEVEL
    for chosen, word in ((known["difference"] > 0, "more"), (known["difference"] < 0, "less")):
        names = list(known[told & chosen]["name"])
        if names:
            leak = "leaks" if len(names) == 1 else "leak"
            sentences.append(
                f"At full precision {_classes(names, len(known))} {leak} {word} than all samples "
                f"together, by {style.score_title(attack)} at {fpr:g} % FPR."
            )
    if not told.any():
        sentences.append(
            f"At full precision no class is told apart from all samples together, by "
            f"{style.score_title(attack)} at {fpr:g} % FPR."
        )
    sentences += _changes(disparity)
    shown = known.nlargest(LISTED, "exposure")
    if len(known) > LISTED:
        sentences.append(f"Of {len(known)} classes the table has the {LISTED} that leak most.")
    columns = {
        "members": cells.values(shown, "members", 1, 0),
        "TPR, %": cells.column(shown, _parts("tpr"), 100, 2),
        "FPR, %": cells.column(shown, _parts("fpr"), 100, 2),
        "TPR - FPR": cells.column(shown, _parts("exposure"), 100, 2),
        "more than all together": cells.column(shown, _parts("difference"), 100, 2),
        "times that of all": cells.column(shown, _parts("ratio"), 1, 2),
        "q": cells.values(shown, "q_value", 1, 3),
    }
    return Section(question, tuple(sentences), cells.joined(columns, "class at full precision"))


def _changes(disparity: pd.DataFrame) -> list[str]:
    """Where the ratio of a class to all is another than at full precision."""
    tested = disparity[disparity["ratio_change_q_value"].notna()]
    if tested.empty:
        return []
    changed = tested[tested["ratio_change_q_value"] <= claims.LEVEL]
    asked = tested.groupby(["variant", "adversary"]).ngroups
    if changed.empty:
        return [
            "Quantization is not seen to change how much more or less any class leaks, in "
            f"{asked} pairs of variant and adversary that leak enough to ask."
        ]
    some = changed.groupby(["variant", "adversary"]).ngroups
    names = _classes(sorted(set(changed["name"])), tested["name"].nunique())
    return [
        f"In {some} of {asked} pairs of variant and adversary that leak enough to ask, "
        f"quantization changes how much more or less {names} leak."
    ]


def _classes(names: Sequence[str], of: int) -> str:
    """Some of so many classes: few by name, or how many they are."""
    if len(names) > NAMED:
        return f"{len(names)} of {of} classes"
    return f"{'class' if len(names) == 1 else 'classes'} {listed(names, len(names) + 1)}"


def _parts(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"
