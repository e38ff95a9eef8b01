"""What can be concluded from the measurements of one network: a section a question.

Which sentence an interval allows is decided in `sentences`; here is what is asked, and of which
tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ptq_privacy.report import cells, guarantees, quoted, style, sweep, whose_samples
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import (
    HIGHER,
    LOWER,
    OPEN,
    Section,
    Words,
    chance,
    claims,
    filled,
    grouped,
    of_those_accused,
)

NOT_COMPARED = pd.DataFrame(columns=["kind", "attack", "variant", "adversary", *cells.ESTIMATE])


def of_network(
    summary: pd.DataFrame,
    compared: pd.DataFrame | None,
    exposed: Mapping[str, pd.DataFrame],
    calibration: pd.DataFrame | None,
    swept: pd.DataFrame,
    thresholds: pd.DataFrame | None,
    attacks: Sequence[str],
) -> list[Section]:
    """Everything that the measurements of one network answer.

    Args:
        summary: its rows of the summary.
        compared: its comparisons of variants and adversaries; None where nothing is compressed.
        exposed: exposure summaries by adversary.
        calibration: calibration samples against other members, by variant and adversary; None
            where nothing is compressed.
        swept: attacks with fewer shadow models.
        thresholds: what thresholds set on shadow models give, by variant and adversary; None
            where there are too few shadow models to set any.
        attacks: the attacks to speak of, the headline first.
    """
    nonmembers = int(summary["nonmembers"].min())
    measure = quoted.quoted(nonmembers)
    if compared is None:
        sections, looked = [leakage(NOT_COMPARED, summary, measure, attacks[0])], []
    else:
        own = compared[compared["metric"] == measure.metric]
        sections = [
            leakage(own, summary, measure, attacks[0]),
            adaptation(own, measure, attacks),
            whose_samples.outliers(exposed, nonmembers),
        ]
        looked = [
            own[(own["kind"] == "against_full") & (own["attack"] == attacks[0])],
            own[(own["kind"] == "adaptive_minus_transfer") & own["attack"].isin(attacks)],
            *(whose_samples.top_against_others(table) for table in exposed.values()),
        ]
    if calibration is not None:
        sections.append(whose_samples.calibrated(calibration, measure))
        looked.append(whose_samples.of_calibration(calibration, measure))
    sections += [worth(thresholds, measure, attacks[0]), strength(swept, measure)]
    sections.append(guarantees.section(summary, attacks[0]))
    if thresholds is not None:
        looked.append(_excess(thresholds, _limit(measure), attacks[0]))
    count, found = claims(looked)
    if count:
        sections.append(Section("How much of this could be chance?", (chance(count, found),)))
    return sections


def leakage(compared: pd.DataFrame, summary: pd.DataFrame, measure: Quoted, attack: str) -> Section:
    """Every variant against full precision, and against chance."""
    nonmembers = int(summary["nonmembers"].min())
    targets = style.counted(summary.iloc[0]["targets"], "target")
    rows = compared[(compared["kind"] == "against_full") & (compared["attack"] == attack)]
    alone = "The study compresses nothing, so full precision stands alone."
    sentences = [alone] if rows.empty else []
    sentences += [f"Measured by {style.score_title(attack)} on {targets}: the {measure.title}."]
    if why := quoted.note(nonmembers):
        sentences.append(f"{why}.")
    measured = summary[summary["attack"] == attack]
    columns = {}
    for adversary in measured["adversary"].unique():
        own = cells.named(rows[rows["adversary"] == adversary])
        to = f"To the {adversary} adversary, {{who}}"
        words = Words(
            higher=f"{to} leak{{s}} more than full precision",
            lower=f"{to} leak{{s}} less than full precision",
            open=f"{to} {{be}} not distinguishable from full precision",
        )
        sentences += _grouped(own, words, measure)
        full = measured["variant"] == "full"
        level = cells.named(measured[(measured["adversary"] == adversary) | full])
        sentences += _above(level, measure, nonmembers, to)
        parts = [f"{measure.metric}_{part}" for part in ("mean", "low", "high")]
        columns[f"{measure.label}, {adversary}"] = cells.measured(level, measure, parts)
        if len(own):
            columns[f"{adversary} - full precision"] = cells.measured(own, measure, difference=True)
    question = "Does quantization hide members?" if len(rows) else "Are members given away?"
    return Section(question, tuple(sentences), cells.joined(columns))


def _above(level: pd.DataFrame, measure: Quoted, nonmembers: int, to: str) -> list[str]:
    """Which intervals lie above what guessing reaches."""
    guess = quoted.guessing(measure, nonmembers)
    shown = f"{guess:.{measure.digits}f}{' %' if measure.unit else ''}"
    above = measure.scale * level[f"{measure.metric}_low"] > guess
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
    for attack in attacks:
        own = compared[compared["attack"] == attack]
        risen = cells.named(own[own["kind"] == "adaptive_minus_transfer"])
        if risen.empty:
            continue
        title = style.score_title(attack)
        words = Words(
            higher=f"{title} finds more at {{who}} with shadow models quantized as the target is",
            lower=f"{title} finds less at {{who}} with shadow models quantized as the target is",
            open=f"With {title} no difference between the adversaries can be told at {{who}}",
        )
        sentences += _grouped(risen, words, measure)
        taken = cells.named(own[own["kind"] == "taken_back"])
        sure = taken[taken["low"] > 0]
        words = Words(
            "Of the apparent gain in privacy at {who}, adapting takes back a part", "", ""
        )
        sentences += grouped(sure, words, "% of it", 100, 0)
        columns[f"{title}: adaptive - transfer"] = cells.measured(risen, measure, difference=True)
        columns[f"{title}: gain taken back, %"] = cells.column(taken, cells.ESTIMATE, 100, 0)
    if not sentences:
        sentences = ["One adversary alone was run, so this cannot be told."]
    return Section(
        "Does an adapting attacker take it back?", tuple(sentences), cells.joined(columns)
    )


def worth(thresholds: pd.DataFrame | None, measure: Quoted, attack: str) -> Section:
    """Thresholds that an attacker can set: the false positives they give, and what a call means."""
    question = "What is an accusation worth?"
    if thresholds is None:
        return Section(question, ("There are too few shadow models to set a threshold on.",))
    limit = _limit(measure)
    own = cells.named(_excess(thresholds, limit, attack))
    sentences, columns = [], {}
    for adversary, rows in own.groupby("adversary", sort=False):
        start = f"Set by the {adversary} adversary on shadow models for {100 * limit:g} % FPR, a"
        start += " threshold accuses"
        words = Words(
            higher=f"{start} more non-members than it should at {{who}}",
            lower=f"{start} fewer non-members than it may at {{who}}",
            open=f"{start} a share of non-members that is not distinguishable from that at {{who}}",
        )
        sentences += grouped(rows, words, "points", 100, 2)
        columns[f"FPR reached, %, {adversary}"] = cells.column(
            rows, ("fpr", "fpr_low", "fpr_high"), 100, 2
        )
    sentences += [of_those_accused(row) for row in own[own["variant"] == "full"].to_dict("records")]
    return Section(question, tuple(sentences), cells.joined(columns))


def _limit(measure: Quoted) -> float:
    return measure.fpr or 0.01


def _excess(thresholds: pd.DataFrame, limit: float, attack: str) -> pd.DataFrame:
    """One attack's thresholds at one limit, with the interval `low`, `high` of FPR - limit."""
    own = thresholds[(thresholds["attack"] == attack) & (thresholds["fpr_limit"] == limit)]
    return own.assign(low=own["fpr_low"] - limit, high=own["fpr_high"] - limit)


def strength(swept: pd.DataFrame, measure: Quoted) -> Section:
    """RMIA against LiRA by the number of shadow models, where their intervals do not meet."""
    sentences, columns = [], {}
    known = set(swept["attack"])
    for pair in (("rmia_online", "lira_online_fixed"), ("rmia_offline", "lira_offline_fixed")):
        if not known.issuperset(pair):
            continue
        both = [sweep.intervals(swept[swept["attack"] == one], measure.metric) for one in pair]
        if any(table["low"].isna().any() for table in both):
            sentences = ["One target has no interval over targets, so this cannot be told."]
            break
        groups: dict[str, list[str]] = {HIGHER: [], LOWER: [], OPEN: []}
        for size in both[0].index:
            a, b = both[0].loc[size], both[1].loc[size]
            found = HIGHER if a["low"] > b["high"] else LOWER if a["high"] < b["low"] else OPEN
            groups[found].append(str(size))
        names = [style.score_title(one) for one in pair]
        texts = {
            HIGHER: f"{names[0]} finds more than {names[1]}",
            LOWER: f"{names[0]} finds less than {names[1]}",
            OPEN: f"{names[0]} and {names[1]} cannot be told apart (their intervals meet)",
        }
        for found, sizes in groups.items():
            if sizes:
                sentences.append(f"{texts[found]} with {', '.join(sizes)} shadow models.")
        for name, table in zip(names, both, strict=True):
            rows = table.rename_axis("name").reset_index()
            columns[name] = cells.measured(rows, measure, ("mean", "low", "high"))
    if not sentences:
        sentences = ["RMIA and LiRA were not both run, so this cannot be told."]
    by_size = cells.joined(columns, f"{measure.label} by shadow models")
    return Section("Which attack needs fewer shadow models?", tuple(sentences), by_size)


def _grouped(rows: pd.DataFrame, words: Words, measure: Quoted) -> list[str]:
    return grouped(rows, words, measure.unit_of_differences, measure.scale, measure.digits)
