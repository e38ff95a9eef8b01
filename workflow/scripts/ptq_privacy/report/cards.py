"""The answer for each network, for whoever must decide what to ship: a card.

A card says what full precision leaks, what each variant keeps of it and what that costs in
accuracy. Of the adversaries that were run, each variant is shown under the one who finds most in
it. Picking the larger of noisy numbers errs towards more leakage, which is the side to err on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ptq_privacy.report import claims, guarantees, quoted, style
from ptq_privacy.report.cells import Interval
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import LOWER, of_rows
from ptq_privacy.study.variants import Variant

AFFORDED = 1.0
"""Points of accuracy that a variant may lose and still be proposed."""

USABLE = 0.75
"""Share of full precision's accuracy below which a variant is of no use to anybody."""


@dataclass(frozen=True)
class Line:
    """One variant, under the adversary who finds most in it; rates in per cent."""

    name: str
    bits: float  # a weight
    accuracy: float
    lost: float  # points of accuracy against full precision
    leak: Interval
    adversary: str
    kept: Interval  # of what full precision leaks beyond chance
    below_full: bool  # told apart from full precision, and less
    above_chance: bool  # told apart from chance
    best: bool  # no other variant is both more accurate and leaks less, and it has not collapsed


@dataclass(frozen=True)
class Card:
    """What one network of one data set gives away."""

    dataset: str
    network: str
    measure: Quoted
    guessing: float
    attack: str
    answer: str
    facts: str
    remarks: tuple[str, ...]
    lines: tuple[Line, ...]  # full precision first

    @property
    def name(self) -> str:
        return f"{self.dataset}, {self.network}"


def card(
    summary: pd.DataFrame,
    compared: pd.DataFrame | None,
    exposed: Mapping[str, pd.DataFrame],
    attack: str,
) -> Card:
    """The card of one network.

    Args:
        summary: its rows of the summary.
        compared: its comparisons of variants and adversaries; None where nothing is compressed.
        exposed: exposure summaries of the headline attack, by adversary.
        attack: the headline.
    """
    first = summary.iloc[0]
    nonmembers = int(summary["nonmembers"].min())
    measure = quoted.quoted(nonmembers)
    lines = _lines(summary[summary["attack"] == attack], compared, exposed, measure, attack)
    remarks = [
        _proposal(lines, measure),
        _strongest(summary, measure, attack),
        guarantees.remark(summary, attack),
    ]
    if why := quoted.note(nonmembers):
        remarks.append(f"{why}.")
    return Card(
        dataset=str(first["dataset"]),
        network=str(first["network"]),
        measure=measure,
        guessing=quoted.guessing(measure, nonmembers),
        attack=style.score_title(attack),
        answer=_answer(lines[0], measure, quoted.guessing(measure, nonmembers), attack),
        facts=f"{style.counted(first['targets'], 'network')} attacked, each with "
        f"{first['shadow_models']} shadow models; {first['members']:,} members and "
        f"{nonmembers:,} non-members a network",
        remarks=tuple(remark for remark in remarks if remark),
        lines=tuple(lines),
    )


def _lines(
    measured: pd.DataFrame,
    compared: pd.DataFrame | None,
    exposed: Mapping[str, pd.DataFrame],
    measure: Quoted,
    attack: str,
) -> list[Line]:
    column = f"{measure.metric}_mean"
    place = measured.groupby("variant", sort=False)[column].idxmax()
    strongest = measured.loc[place]
    accuracy = 100 * strongest["test_accuracy_mean"]
    full = accuracy[strongest["variant"] == "full"].iloc[0]
    less = set() if compared is None else _told_less(compared, measure, attack)
    guess = quoted.guessing(measure, int(measured["nonmembers"].min()))
    lines = []
    for row in _records(strongest):
        variant, adversary = row["variant"], row["adversary"]
        leak = _interval(row, measure)
        better = strongest[
            (accuracy > 100 * row["test_accuracy_mean"]) & (strongest[column] < row[column])
        ]
        lines.append(
            Line(
                name=style.name(Variant.recorded(variant)),
                bits=row["bits_per_weight"],
                accuracy=100 * row["test_accuracy_mean"],
                lost=full - 100 * row["test_accuracy_mean"],
                leak=leak,
                adversary=adversary,
                kept=_kept(exposed[adversary], variant, measure),
                below_full=(variant, adversary) in less,
                above_chance=leak.low > guess and row.get("q_value", 0) <= claims.LEVEL,
                best=bool(better.empty) and 100 * row["test_accuracy_mean"] >= USABLE * full,
            )
        )
    return lines


def _told_less(compared: pd.DataFrame, measure: Quoted, attack: str) -> set[tuple[str, str]]:
    """Variants and adversaries whose leakage is told apart from full precision's, and less."""
    own = compared[
        (compared["kind"] == "against_full")
        & (compared["attack"] == attack)
        & (compared["metric"] == measure.metric)
    ]
    return {
        (row["variant"], row["adversary"])
        for row, found in zip(own.to_dict("records"), of_rows(own), strict=True)
        if found == LOWER
    }


def _kept(exposed: pd.DataFrame, variant: str, measure: Quoted) -> Interval:
    """The share of full precision's exposure that a variant keeps, in per cent, where known."""
    rows = exposed[
        (exposed["statistic"] == "kept")
        & (exposed["variant"] == variant)
        & (exposed["group"] == "all")
        & (exposed["fpr"] == measure.fpr)
    ]
    if rows.empty:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    row = rows.iloc[0]
    return Interval(100 * row["estimate"], 100 * row["low"], 100 * row["high"], 0)


def _answer(full: Line, measure: Quoted, guess: float, attack: str) -> str:
    """What full precision leaks, in a sentence."""
    title = style.score_title(attack)
    close = "" if full.above_chance else ", from which this is not distinguishable"
    if measure.fpr is None:
        return (
            f"At full precision {title} tells training samples from others with an AUC of "
            f"{full.leak}; guessing reaches {guess:.{measure.digits}f}{close}."
        )
    return (
        f"of the training samples are named at full precision by {title}, 95 % interval "
        f"{full.leak.bounds}, where it accuses {100 * measure.fpr:g} % of the others wrongly. "
        f"Guessing names {guess:.{measure.digits}f} %{close}."
    )


def _proposal(lines: list[Line], measure: Quoted) -> str:
    """The variant that leaks least among those whose accuracy can be afforded."""
    compressed = lines[1:]
    if not compressed:
        return ""
    afforded = [line for line in compressed if line.lost <= AFFORDED]
    if not afforded:
        closest = min(compressed, key=lambda line: line.lost)
        return (
            f"Every variant loses more than {AFFORDED:g} point of accuracy; {closest.name} loses "
            f"least, {closest.lost:.2f}, and leaks {_with_unit(closest.leak, measure)}."
        )
    least = min(afforded, key=lambda line: line.leak.value)
    kept = (
        f", {least.kept.value:.0f} % {least.kept.bounds} of what full precision leaks"
        if least.kept.known
        else ""
    )
    told = "" if least.below_full else "; whether that is less than full precision is not told"
    return (
        f"Of the variants that lose at most {AFFORDED:g} point of accuracy, {least.name} leaks "
        f"least: {_with_unit(least.leak, measure)}{kept}, at {least.bits:.2f} bits a "
        f"weight{told}."
    )


def _interval(row: Mapping[str, Any], measure: Quoted) -> Interval:
    """The measure's cell of a row of the summary."""
    mean, low, high = (
        measure.scale * row[f"{measure.metric}_{p}"] for p in ("mean", "low", "high")
    )
    return Interval(mean, low, high, measure.digits)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _with_unit(leak: Interval, measure: Quoted) -> str:
    unit = " %" if measure.unit else ""
    return f"{leak.value:.{leak.digits}f}{unit} {leak.bounds}"


def _strongest(summary: pd.DataFrame, measure: Quoted, attack: str) -> str:
    """Whether another attack, under any adversary, finds more than the headline at a variant."""
    column = f"{measure.metric}_mean"
    attacks = summary["attack"].nunique()
    if attacks == 1:
        return "No other attack was run."
    place = summary.groupby("variant", sort=False)[column].idxmax()
    headline = summary[summary["attack"] == attack].groupby("variant", sort=False)[column].max()
    strongest = summary.loc[place].set_index("variant")
    more = strongest[strongest[column] > headline.reindex(strongest.index)]
    if more.empty:
        return f"None of the {attacks} attacks that were run finds more at any variant."
    furthest = str((more[column] - headline.reindex(more.index)).idxmax())
    row = _records(more.loc[[furthest]])[0]
    found = _with_unit(_interval(row, measure), measure)
    return (
        f"Of the {attacks} attacks that were run, another finds more than "
        f"{style.score_title(attack)} at {len(more)} of {len(strongest)} variants, by most at "
        f"{style.name(Variant.recorded(furthest))}: {style.score_title(row['attack'])}, "
        f"{row['adversary']}, {found}."
    )
