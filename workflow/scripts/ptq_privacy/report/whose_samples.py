"""Which samples leak more than others, in words: those that stood out, those that calibrated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ptq_privacy.attacks import metrics
from ptq_privacy.measures.calibration_leak import CHANGE
from ptq_privacy.report import cells, exposure_figure, quoted
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import (
    HIGHER,
    UNKNOWN,
    Section,
    Words,
    elsewhere,
    grouped,
    listed,
    of_rows,
)

GROUPS = {"top_1%": "top 1 %", "other_99%": "others"}
MEASURES = {"kept": "exposure", "signal_kept": "signal"}


def outliers(exposed: Mapping[str, pd.DataFrame], nonmembers: int, leading: str) -> Section:
    """Whether the most exposed samples keep more than the others, of exposure and of signal.

    Exposure alone would say so wherever all are protected alike: see `measures.outliers`.

    Args:
        leading: the adversary of whom the sentences are; the table has all.
    """
    question, fpr = "Are the most exposed samples protected too?", exposure_figure.FPR
    if not metrics.supports(nonmembers, f"tpr_at_fpr_{fpr:g}"):
        few = f"{nonmembers} non-members a target do not resolve {100 * fpr:g} % FPR"
        return Section(question, (f"This cannot be told: {few}.",))
    sentences, others, columns = [], [], {}
    for adversary, summary in exposed.items():
        both = cells.named(top_against_others(summary))
        if both.empty:
            continue
        if adversary == leading:
            sentences += _protected(summary, both, adversary)
        else:
            others.append(both.assign(adversary=adversary))
        own = summary[summary["fpr"] == fpr]
        for statistic, measure in MEASURES.items():
            kept = own[own["statistic"] == statistic]
            for group, title in GROUPS.items():
                columns[f"{measure} that the {title} keep, %, {adversary}"] = cells.column(
                    cells.named(kept[kept["group"] == group]), cells.ESTIMATE, 100, 0
                )
            difference = cells.named(own[own["statistic"] == f"{statistic}_top_minus_other"])
            columns[f"{measure}, difference, {adversary}"] = cells.column(
                difference, cells.ESTIMATE, 100, 0, difference=True
            )
    if others:
        sentences += elsewhere(pd.concat(others))
    if not sentences:
        why = {note for table in exposed.values() for note in table["note"] if note}
        sentences = [f"This cannot be told: it {'; '.join(sorted(why))}."]
    return Section(question, tuple(sentences), cells.joined(columns))


def _protected(summary: pd.DataFrame, both: pd.DataFrame, adversary: str) -> list[str]:
    """What can be told of one adversary, of `top_against_others`."""
    to = f"To the {adversary} adversary, the most exposed 1 % of samples keep a {{}} share"
    to += " than the others, both of their exposure and of their signal, at {{who}}"
    words = Words(
        higher=to.format("larger"),
        lower=to.format("smaller"),
        open=f"To the {adversary} adversary, whether the most exposed 1 % keep more or less "
        "than the others cannot be told at {who}",
    )
    sentences = grouped(both, words, "points", 100, 0)
    stay = both[_catchable(summary, both)]
    if len(stay):
        sentences.append(
            f"At {listed(list(stay['name']), len(both))} they do keep a larger share of their "
            "exposure, but that they do of their signal is not told: what takes the same from "
            "all leaves those who stood out most above the threshold."
        )
    return sentences


def top_against_others(summary: pd.DataFrame) -> pd.DataFrame:
    """What the top 1 % keep more than the others, as far as exposure and signal both bear out.

    Args:
        summary: of one adversary.

    Returns:
        A row a variant: `variant`, and `low`, `high`, `p_value`: the interval that holds that of
        the exposure and that of the signal, and the larger p-value (and `q_value`, where claims
        were counted).
    """
    own = summary[summary["fpr"] == exposure_figure.FPR]
    sides = [
        own[own["statistic"] == f"{statistic}_top_minus_other"].set_index("variant")
        for statistic in MEASURES
    ]
    exposure, signal = sides[0], sides[1].reindex(sides[0].index)
    found = pd.DataFrame(
        {
            "low": np.minimum(exposure["low"], signal["low"]),
            "high": np.maximum(exposure["high"], signal["high"]),
            "p_value": np.maximum(exposure["p_value"], signal["p_value"]),
        }
    )
    if "q_value" in own:  # both must stand
        found["q_value"] = np.maximum(exposure["q_value"], signal["q_value"])
    return found.rename_axis("variant").reset_index()


def _catchable(summary: pd.DataFrame, both: pd.DataFrame) -> list[bool]:
    """Where the top 1 % keep more of their exposure, and that is not claimed of both."""
    own = summary[
        (summary["fpr"] == exposure_figure.FPR) & (summary["statistic"] == "kept_top_minus_other")
    ]
    of_exposure = dict(zip(own["variant"], of_rows(own), strict=True))
    return [
        of_exposure[variant] == HIGHER and found not in (HIGHER, UNKNOWN)
        for variant, found in zip(both["variant"], of_rows(both), strict=True)
    ]


def calibrated(calibration: pd.DataFrame, measure: Quoted, leading: str) -> Section:
    """Calibration samples against the other members.

    Args:
        leading: the adversary of whom the sentences are; the table has all.
    """
    sentences, columns = _changes(calibration)
    others: list[pd.DataFrame] = []
    auc = quoted.CHOICES[-1]
    for one in dict.fromkeys((measure, auc)):
        own = cells.named(calibration[calibration["metric"] == one.metric])
        for adversary, rows in own.groupby("adversary", sort=False):
            to = f"By the {one.title}, to the {adversary} adversary calibration samples of {{who}}"
            words = Words(
                higher=f"{to} are easier to tell from non-members than other members",
                lower=f"{to} are harder to tell from non-members than other members",
                open=f"{to} are not distinguishable from other members",
            )
            if adversary == leading:
                unit = one.unit_of_differences
                sentences += grouped(rows, words, unit, one.scale, one.digits)
            else:
                others.append(rows)
            for column in ("calibration", "other"):
                title = f"{one.title} of {column} samples{', %' * bool(one.unit)}, {adversary}"
                columns[title] = cells.values(rows, column, one.scale, one.digits)
            parts = ("difference", "low", "high")
            columns[f"{one.title}, difference, {adversary}"] = cells.measured(
                rows, one, parts, difference=True
            )
    if others:
        sentences += elsewhere(pd.concat(others))
    return Section("Does calibration itself leak?", tuple(sentences), cells.joined(columns))


def _changes(calibration: pd.DataFrame) -> tuple[list[str], dict[str, pd.Series]]:
    """What the changes of answers say, to those who have a network at both precisions."""
    rows = cells.named(calibration[calibration["metric"] == CHANGE])
    who = "To whoever has the network at full precision too, calibration samples of {who}"
    words = Words(
        higher=f"{who} stand out from other members, since quantization changed their answers less",
        lower=f"{who} stand out from other members, since quantization changed their answers more",
        open=f"{who} do not stand out from other members by how far their answers changed",
    )
    columns = {
        "AUC of the change in answers": cells.values(rows, "calibration", 1, 3),
        "change, difference from 0.5": cells.column(
            rows, ("difference", "low", "high"), 1, 3, difference=True
        ),
        "of placebo sets": cells.values(rows, "placebo_mean", 1, 3),
        "± between placebo sets": cells.values(rows, "placebo_deviation", 1, 3),
    }
    return grouped(rows, words, "AUC", 1, 3), columns
