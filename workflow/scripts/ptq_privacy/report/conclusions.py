"""What can be concluded from the measurements of one network: a section a question.

Which sentence an interval allows is decided in `sentences`; here is what is asked, and of which
tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from ptq_privacy.report import (
    attackers,
    cells,
    claims,
    class_disparity,
    guarantees,
    mismatch,
    quoted,
    style,
    versus,
    whose_samples,
)
from ptq_privacy.report.claims import Measured
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import (
    HIGHER,
    Section,
    Words,
    elsewhere,
    filled,
    grouped,
    of_rows,
    of_those_accused,
)

NOT_COMPARED = pd.DataFrame(columns=["kind", "attack", "variant", "adversary", *cells.ESTIMATE])


def of_network(measured: Measured, attacks: Sequence[str], margin: float) -> list[Section]:
    """Everything that the measurements of one network answer.

    Args:
        measured: its tables, by `claims.weighed`.
        attacks: the attacks to speak of, the headline first.
        margin: share of full precision's leak within which a variant is equivalent to it.
    """
    measure, compared, summary = measured.measure, measured.compared, measured.summary
    leading = attackers.leading(summary, measure, attacks[0])
    if compared is None:
        sections = [leakage(NOT_COMPARED, summary, measure, attacks[0], margin, leading)]
    else:
        own = compared[compared["metric"] == measure.metric]
        sections = [
            leakage(attackers.alone(own), summary, measure, attacks[0], margin, leading),
            *(
                [second_release(own, summary, measure, attacks[0], margin)]
                if attackers.beside_full(own).any()
                else []
            ),
            adaptation(own, measure, attacks),
            *mismatch.sections(compared, summary, measure, attacks[0]),
            whose_samples.outliers(measured.exposed, measured.nonmembers, leading),
        ]
        if measured.methods is not None:
            sections.append(versus.methods(measured.methods, measure, attacks[0], leading))
        sections.append(versus.attacks(own, measure, attacks[0]))
    if measured.calibration is not None:
        sections.append(whose_samples.calibrated(measured.calibration, measure, leading))
    if measured.disparity is not None:
        sections.append(class_disparity.section(measured.disparity, attacks[0]))
    return [
        *sections,
        worth(measured.thresholds, measure, attacks[0], leading),
        versus.strength(measured.swept, measured.strength, measure),
        guarantees.section(summary, attacks[0]),
    ]


def leakage(
    compared: pd.DataFrame,
    summary: pd.DataFrame,
    measure: Quoted,
    attack: str,
    margin: float,
    leading: str,
) -> Section:
    """Every variant against full precision and against chance, to those who have it alone.

    Args:
        leading: the adversary of whom the sentences are; the table has all.
    """
    nonmembers = int(summary["nonmembers"].min())
    targets = style.counted(summary.iloc[0]["targets"], "target")
    rows = compared[(compared["kind"] == "against_full") & (compared["attack"] == attack)]
    alone = "The study compresses nothing, so full precision stands alone."
    sentences = [alone] if rows.empty else []
    measured = attackers.alone(summary[summary["attack"] == attack])
    full = measured["variant"] == "full"
    chosen = attackers.behind(measured.loc[full, "chosen"].iloc[0])
    by = f"{style.score_title(attack)}{f' (at full precision {chosen})' if chosen else ''}"
    sentences += [f"Measured by {by} on {targets}: the {measure.title}."]
    if why := quoted.note(nonmembers):
        sentences.append(f"{why}.")
    sentences += _who(measured, measure, leading)
    columns = {}
    for adversary in measured["adversary"].unique():
        own = cells.named(rows[rows["adversary"] == adversary])
        level = cells.named(measured[(measured["adversary"] == adversary) | full])
        if adversary == leading:
            to = f"To the {adversary} adversary, {{who}}"
            words = Words(
                higher=f"{to} leak{{s}} more than full precision",
                lower=f"{to} leak{{s}} less than full precision",
                open=f"{to} {{be}} not distinguishable from full precision",
            )
            sentences += _grouped(own, words, measure)
            sentences += _equivalent(own, measured[full], measure, margin, to)
            sentences += _above(level, measure, nonmembers, to)
        parts = [f"{measure.metric}_{part}" for part in ("mean", "low", "high")]
        columns[f"{measure.label}, {adversary}"] = cells.measured(level, measure, parts)
        if len(own):
            columns[f"{adversary} - full precision"] = cells.measured(own, measure, difference=True)
            columns[f"p, q, {adversary}"] = cells.tested(own)
    sentences += elsewhere(rows[rows["adversary"] != leading])
    question = "Does quantization hide members?" if len(rows) else "Are members given away?"
    return Section(question, tuple(sentences), cells.joined(columns))


def _who(measured: pd.DataFrame, measure: Quoted, leading: str) -> list[str]:
    """Of which adversary the sentences are, and why, where there are several."""
    compressed = measured[measured["variant"] != "full"]
    several = compressed["adversary"].nunique()
    if attackers.beside_full(compressed).any():
        return [attackers.NONE_ALONE]
    if several < 2:
        return []
    of_variants = attackers.first(compressed, measure)["adversary"]
    return [
        f"Of the {several} adversaries who have a variant alone, the {leading} one finds most at "
        f"{(of_variants == leading).sum()} of {len(of_variants)} variants: here and below the "
        "sentences are of him, and the tables of all."
    ]


def second_release(
    compared: pd.DataFrame, summary: pd.DataFrame, measure: Quoted, attack: str, margin: float
) -> Section:
    """Each variant beside full precision, against full precision alone."""
    question = "Do both releases together leak more than full precision alone?"
    rows = compared[(compared["kind"] == "against_full") & (compared["attack"] == attack)]
    own = cells.named(rows[attackers.beside_full(rows)])
    to = "Published beside full precision, {who}"
    words = Words(
        higher=f"{to} give{{s}} away more than full precision alone",
        lower="From {who} and full precision together less is found than from the latter alone",
        open=f"{to} {{be}} not distinguishable from full precision alone",
    )
    full = summary[(summary["variant"] == "full") & (summary["attack"] == attack)]
    sentences = _grouped(own, words, measure)
    sentences += _equivalent(own, full, measure, margin, to, "full precision alone")
    columns = {
        "both published - full precision": cells.measured(own, measure, difference=True),
        "p, q": cells.tested(own),
    }
    return Section(question, tuple(sentences), cells.joined(columns))


def _equivalent(
    own: pd.DataFrame,
    full: pd.DataFrame,
    measure: Quoted,
    margin: float,
    to: str,
    what: str = "full precision",
) -> list[str]:
    """Which differences from full precision lie within the margin, with their whole intervals."""
    chance = quoted.guessing(measure, int(full["nonmembers"].min()))
    width = margin * (measure.scale * full[f"{measure.metric}_mean"].mean() - chance)
    reach = measure.scale * own[["low", "high"]].abs().max(axis=1)
    within = own[reach < width]
    if within.empty:
        return []
    most = math.ceil(reach[reach < width].max() * 10**measure.digits) / 10**measure.digits
    digits = measure.digits
    text = (
        f"{to} {{be}} equivalent to {what} within the study's margin, "
        f"{100 * margin:g} % of what full precision leaks beyond chance or {width:.{digits}f} "
        f"{measure.unit_of_differences}: at most {most:.{digits}f} more or less"
    )
    return [filled(text, within["name"], len(own)) + "."]


def _above(level: pd.DataFrame, measure: Quoted, nonmembers: int, to: str) -> list[str]:
    """Which intervals lie above what guessing reaches."""
    guess = quoted.guessing(measure, nonmembers)
    shown = f"{guess:.{measure.digits}f}{' %' if measure.unit else ''}"
    above = (measure.scale * level[f"{measure.metric}_low"] > guess) & claims.stand(level)
    return [
        filled(text, names, len(level)) + "."
        for names, text in (
            (level[above]["name"], f"{to} {{be}} above chance, {shown}"),
            (level[~above]["name"], f"{to} {{be}} not distinguishable from chance, {shown}"),
        )
        if len(names)
    ]


def adaptation(compared: pd.DataFrame, measure: Quoted, attacks: Sequence[str]) -> Section:
    """Adaptive against transfer, and the share of the gain that adapting takes back."""
    sentences, columns = [], {}
    adaptive = compared[compared["adversary"] == "adaptive"]
    for attack in attacks:
        own = adaptive[adaptive["attack"] == attack]
        risen = cells.named(own[own["kind"] == "against_transfer"])
        if risen.empty:
            continue
        title = style.score_title(attack)
        words = Words(
            higher=f"{title} finds more at {{who}} with shadow models quantized as the target is",
            lower=f"{title} finds less at {{who}} with shadow models quantized as the target is",
            open=f"With {title} no difference between the adaptive and the transfer adversary can "
            "be told at {who}",
        )
        sentences += _grouped(risen, words, measure)
        taken = cells.named(own[own["kind"] == "taken_back"])
        more = risen[[found == HIGHER for found in of_rows(risen)]]["variant"]
        sure = taken[(taken["low"] > 0) & taken["variant"].isin(more)]
        # The claim is the difference's, which was counted; a share of it has no p of its own.
        sure = sure.drop(columns="q_value", errors="ignore")
        words = Words(
            "Of the apparent gain in privacy at {who}, adapting takes back a part", "", ""
        )
        sentences += grouped(sure, words, "% of it", 100, 0)
        columns[f"{title}: adaptive - transfer"] = cells.measured(risen, measure, difference=True)
        columns[f"{title}: p, q"] = cells.tested(risen)
        columns[f"{title}: gain taken back, %"] = cells.column(taken, cells.ESTIMATE, 100, 0)
    if not sentences:
        sentences = [
            "The transfer and the adaptive adversary were not both run, so this cannot be told."
        ]
    return Section(
        "Does an adapting attacker take it back?", tuple(sentences), cells.joined(columns)
    )


def worth(thresholds: pd.DataFrame | None, measure: Quoted, attack: str, leading: str) -> Section:
    """Thresholds that an attacker can set: the false positives they give, and what a call means."""
    question = "What is an accusation worth?"
    if thresholds is None:
        return Section(question, ("There are too few shadow models to set a threshold on.",))
    limit = claims.limit(measure)
    own = cells.named(_excess(thresholds, limit, attack))
    sentences, columns = [], {}
    full = own["variant"] == "full"
    for adversary in own["adversary"].unique():
        rows = own[(own["adversary"] == adversary) | full]
        start = f"Set by the {adversary} adversary on shadow models for {100 * limit:g} % FPR, a"
        start += " threshold accuses"
        words = Words(
            higher=f"{start} more non-members than it should at {{who}}",
            lower=f"{start} fewer non-members than it may at {{who}}",
            open=f"{start} a share of non-members that is not distinguishable from that at {{who}}",
        )
        if adversary == leading:
            sentences += grouped(rows, words, "points", 100, 2)
        columns[f"FPR reached, %, {adversary}"] = cells.column(
            rows, ("fpr", "fpr_low", "fpr_high"), 100, 2
        )
    sentences += elsewhere(own[(own["adversary"] != leading) & ~full])
    sentences += [of_those_accused(row) for row in own[full].to_dict("records")]
    return Section(question, tuple(sentences), cells.joined(columns))


def _excess(thresholds: pd.DataFrame, limit: float, attack: str) -> pd.DataFrame:
    """One attack's thresholds at one limit, with the interval `low`, `high` of FPR - limit."""
    own = thresholds[(thresholds["attack"] == attack) & (thresholds["fpr_limit"] == limit)]
    return own.assign(low=own["fpr_low"] - limit, high=own["fpr_high"] - limit)


def _grouped(rows: pd.DataFrame, words: Words, measure: Quoted) -> list[str]:
    return grouped(rows, words, measure.unit_of_differences, measure.scale, measure.digits)
