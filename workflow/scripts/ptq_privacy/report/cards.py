"""The answer for each network, for whoever must decide what to ship: a card.

A card says what full precision leaks, what each variant keeps of it and what that costs in
accuracy. Of the adversaries who have a variant alone, each variant is shown under the one who finds
most in it. Picking the larger of noisy numbers errs towards more leakage, which is the side to err
on. What a variant adds where full precision is published as well stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ptq_privacy.report import attackers, claims, guarantees, quoted, style, versus
from ptq_privacy.report.cells import Interval
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import HIGHER, LOWER, at_least, of_rows
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
    by: str  # which attack stands behind the headline, in how many networks; may be empty
    kept: Interval  # of what full precision leaks beyond chance
    below_full: bool  # told apart from full precision, and less
    above_chance: bool  # told apart from chance
    added: Interval  # published beside full precision, against that alone; where it was measured
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
    own = attackers.alone(summary)
    lines = _lines(own[own["attack"] == attack], compared, exposed, measure, attack)
    remarks = [
        _proposal(lines, measure),
        attackers.NONE_ALONE if attackers.beside_full(own).any() else "",
        _second(lines[1:], measure),
        _strongest(compared, summary["attack"].nunique(), measure, attack),
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
    strongest = attackers.first(measured, measure)
    accuracy = 100 * strongest["test_accuracy_mean"]
    full = accuracy[strongest["variant"] == "full"].iloc[0]
    rows = _against_full(compared, measure, attack)
    less = {
        (row["variant"], row["adversary"])
        for row, found in zip(_records(rows), of_rows(rows), strict=True)
        if found == LOWER
    }
    added = _added(rows, measure)
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
                by=attackers.behind(row["chosen"]),
                kept=_kept(exposed[adversary], variant, measure),
                below_full=(variant, adversary) in less,
                above_chance=leak.low > guess and row.get("q_value", 0) <= claims.LEVEL,
                added=added.get(variant, _nothing(measure)),
                best=bool(better.empty) and 100 * row["test_accuracy_mean"] >= USABLE * full,
            )
        )
    return lines


def _against_full(compared: pd.DataFrame | None, measure: Quoted, attack: str) -> pd.DataFrame:
    """The variants' differences from full precision; none where nothing is compressed."""
    if compared is None:
        return pd.DataFrame(columns=["variant", "adversary", "low", "high"])
    return compared[
        (compared["kind"] == "against_full")
        & (compared["attack"] == attack)
        & (compared["metric"] == measure.metric)
    ]


def _added(rows: pd.DataFrame, measure: Quoted) -> dict[str, Interval]:
    """By variant, what is found beside full precision more than at full precision alone."""
    both = rows[attackers.beside_full(rows)]
    cells = zip(_records(both), claims.stand(both), strict=True)
    found = {}
    for row, stands in cells:
        value, low, high = (measure.scale * row[part] for part in ("estimate", "low", "high"))
        found[row["variant"]] = Interval(value, low, high, measure.digits, True, bool(stands))
    return found


def _nothing(measure: Quoted) -> Interval:
    return Interval(float("nan"), float("nan"), float("nan"), measure.digits)


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
    if full.by:
        title += f" at hand ({full.by})"
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


def _second(compressed: list[Line], measure: Quoted) -> str:
    """What a variant adds to what full precision leaks, where both are published."""
    known = [line.added for line in compressed if line.added.known]
    if not known:
        return ""
    more = sum(own.claimed and own.low > 0 for own in known)
    low, high = min(own.low for own in known), max(own.high for own in known)
    return (
        f"Where full precision is published as well, more than it gives away alone is told at "
        f"{more} of {style.counted(len(known), 'variant')}; the intervals of the difference reach "
        f"from {low:+.{measure.digits}f} to {high:+.{measure.digits}f} "
        f"{measure.unit_of_differences}."
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


def _strongest(compared: pd.DataFrame | None, attacks: int, measure: Quoted, attack: str) -> str:
    """Whether another attack, under any adversary, is told to find more at a variant."""
    if attacks == 1:
        return "No other attack was run."
    if compared is None:
        return ""
    rows = versus.against(compared[compared["metric"] == measure.metric], attack)
    more = rows[[found == HIGHER for found in of_rows(rows)]]
    title = style.score_title(attack)
    if more.empty:
        return (
            f"Of the {attacks} attacks that were run, none is told to find more than {title} at "
            "any variant to any adversary."
        )
    row = _records(more.nlargest(1, "estimate"))[0]
    low = at_least(measure.scale * row["low"], measure.scale * row["low"], measure.digits)
    return (
        f"Of the {attacks} attacks that were run, another finds more than {title} at "
        f"{more['variant'].nunique()} of {rows['variant'].nunique()} variants, by most at "
        f"{style.name(Variant.recorded(row['variant']))}: {style.score_title(row['attack'])}, "
        f"{row['adversary']}, by at least {low} {measure.unit_of_differences}."
    )
