"""How much of what quantization seems to hide is the attacker's mismatch.

An attacker whose shadow models stay at full precision finds less in a quantized network for two
reasons: less is there, and his shadow models are not like his target. What one finds whose shadow
models are quantized as the target is, and the first does not, is the mismatch; it is told as a
share of the drop from full precision, where there is a drop to be told.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ptq_privacy.report import cells, style
from ptq_privacy.report.quoted import AREA, CHOICES, Quoted
from ptq_privacy.report.sentences import (
    HIGHER,
    LOWER,
    Section,
    elsewhere,
    joined,
    of_rows,
)
from ptq_privacy.study.variants import Variant

PUBLISHED = "lira_online"
"""The attack of the paper, of which the sentences are beside the headline."""

QUESTION = "How much of the drop is the attacker's mismatch?"
KEYS = ["attack", "metric", "variant"]
PARTS = ["estimate", "low", "high", "p_value", "q_value"]


def tabulate(compared: pd.DataFrame | None, summary: pd.DataFrame, measure: Quoted) -> pd.DataFrame:
    """One row an attack, metric (the measure's and the AUC), variant and adversary but transfer.

    Args:
        compared: one network's comparisons, its claims counted; None where nothing is compressed.
        summary: the network's rows of the summary.

    Returns:
        Columns `attack`, `metric`, `variant`, `adversary`, `full` and `transfer` (the metric's
        means), and for `drop` (full - transfer), `back` (adversary - transfer) and `share`
        (back / drop, NaN where the drop is not told from none) the value, `_low`, `_high`,
        `_p_value` and `_q_value`; a share has no p and q of its own.
    """
    columns = [*KEYS, "adversary", "full", "transfer"]
    columns += [
        f"{name}{part}"
        for name, parts in (("drop", PARTS), ("back", PARTS), ("share", PARTS[:3]))
        for part in ("", *(f"_{part}" for part in parts[1:]))
    ]
    if compared is None:
        return pd.DataFrame(columns=columns)
    chosen = compared[compared["metric"].isin([measure.metric, AREA.metric])]
    kind, adversary = chosen["kind"], chosen["adversary"]
    down = chosen[(kind == "against_full") & (adversary == "transfer")]
    drop = down.assign(estimate=-down["estimate"], low=-down["high"], high=-down["low"])
    table = _renamed(chosen[kind == "against_transfer"], "back", [*KEYS, "adversary"])
    for rows, name, keys in (
        (drop, "drop", KEYS),
        (chosen[kind == "taken_back"], "share", [*KEYS, "adversary"]),
    ):
        table = table.merge(_renamed(rows, name, keys), on=keys, how="left", validate="m:1")
    means = {
        (row["attack"], one.metric, row["variant"]): row[f"{one.metric}_mean"]
        for one in dict.fromkeys((measure, AREA))
        for row in summary[
            summary["adversary"].eq("transfer") | summary["variant"].eq("full")
        ].to_dict("records")
    }
    table["full"] = [
        means[a, m, "full"] for a, m in zip(table["attack"], table["metric"], strict=True)
    ]
    table["transfer"] = [means[key] for key in table[KEYS].itertuples(index=False, name=None)]
    return table[columns]


def _renamed(rows: pd.DataFrame, name: str, keys: Sequence[str]) -> pd.DataFrame:
    parts = [part for part in PARTS if part in rows]
    names = {part: name if part == "estimate" else f"{name}_{part}" for part in parts}
    return rows[[*keys, *parts]].rename(columns=names)


def sections(
    compared: pd.DataFrame, summary: pd.DataFrame, measure: Quoted, headline: str
) -> list[Section]:
    """The answer for one network; none where only one adversary has the variants alone."""
    table = tabulate(compared, summary, measure)
    chosen = [name for name in dict.fromkeys((PUBLISHED, headline)) if name in set(table["attack"])]
    table = table[table["attack"].isin(chosen)]
    if table.empty:
        return []
    adversaries = list(table["adversary"].unique())
    first = adversaries[0]
    sentences = [
        f"Here the {first} adversary is held against the transfer adversary, on the same targets "
        f"and samples, by the {AREA.title}; the table has the {measure.title} too."
        if measure != AREA
        else f"Here the {first} adversary is held against the transfer adversary, on the same "
        f"targets and samples, by the {AREA.title}."
    ]
    own = table[table["metric"] == AREA.metric]
    for attack in chosen:
        rows = own[(own["attack"] == attack) & (own["adversary"] == first)]
        recipes = [Variant.recorded(text).widths for text in rows["variant"]]
        sentences += [
            _sentence(rows[[one == recipe for one in recipes]], recipe, attack)
            for recipe in dict.fromkeys(recipes)
        ]
    others = own[own["adversary"] != first]
    sentences += elsewhere(_part(others, "back").assign(adversary=others["adversary"]))
    return [Section(QUESTION, tuple(sentences), _shown(table, measure, adversaries))]


def _sentence(rows: pd.DataFrame, recipe: str, attack: str) -> str:
    """What share of the drop is mismatch, of one attack at one bit width, method by method."""
    drop, back = _part(rows, "drop"), _part(rows, "back")
    told: dict[str, list[str]] = {kind: [] for kind in ("share", "none", "less", "no drop")}
    verdicts = zip(rows.to_dict("records"), of_rows(drop), of_rows(back), strict=True)
    for row, dropped, risen in verdicts:
        method = style.method_title(str(Variant.recorded(row["variant"]).method))
        value, low, high = (100 * row[name] for name in ("share", "share_low", "share_high"))
        share = cells.Interval(value, low, high, 0)
        shown = str(share).replace(" ", " % ", 1)
        if dropped != HIGHER or not share.known:
            told["no drop"].append(method)
        elif risen == HIGHER:
            told["share"].append(f"{shown} with {method}")
        elif risen == LOWER:
            told["less"].append(method)
        else:
            told["none"].append(f"{method} ({shown})")
    what = f"the drop in {AREA.title} at {recipe} to {style.score_title(attack)}"
    parts = []
    if told["share"]:
        parts.append(f"of {what}, the attacker's mismatch is {joined(told['share'])}")
    if told["none"]:
        where = "" if parts else f" in {what}"
        parts.append(f"no mismatch is told{where} with {joined(told['none'])}")
    if told["less"]:
        where = "" if parts else f", of {what},"
        parts.append(f"adapting takes nothing back{where} with {joined(told['less'])}")
    if told["no drop"]:
        where = "no drop is told" if parts else f"{what} is not told from none"
        parts.append(f"{where} with {joined(told['no drop'])}, so no share of it is given")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _part(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One of the table's numbers as other pages' rows are, under the name of its variant."""
    columns = {part: name if part == "estimate" else f"{name}_{part}" for part in PARTS}
    known = {part: table[column] for part, column in columns.items() if column in table}
    return pd.DataFrame(known, index=table.index).assign(name=_names(table))


def _names(table: pd.DataFrame) -> list[str]:
    titles = {one.metric: one.title for one in CHOICES}
    return [
        f"{style.name(Variant.recorded(row['variant']))}; {style.score_title(row['attack'])}, "
        f"{titles[row['metric']]}"
        for row in table.to_dict("records")
    ]


def _shown(table: pd.DataFrame, measure: Quoted, adversaries: Sequence[str]) -> pd.DataFrame | None:
    """Every number behind the sentences, a row an attack, metric and variant."""
    columns: dict[str, list[pd.Series]] = {}
    for one in dict.fromkeys((AREA, measure)):
        of_metric = table[table["metric"] == one.metric]
        for adversary in adversaries:
            rows = of_metric[of_metric["adversary"] == adversary]
            drop, back = _part(rows, "drop"), _part(rows, "back")
            share = _part(rows, "share")
            if adversary == adversaries[0]:
                columns.setdefault("drop", []).append(cells.measured(drop, one, difference=True))
                columns.setdefault("p, q", []).append(cells.tested(drop))
            to = columns.setdefault(f"{adversary} - transfer", [])
            to.append(cells.measured(back, one, difference=True))
            columns.setdefault(f"p, q, {adversary}", []).append(cells.tested(back))
            shares = columns.setdefault(f"share of the drop, %, {adversary}", [])
            shares.append(cells.column(share, cells.ESTIMATE, 100, 0))
    named = {title: pd.concat(parts) for title, parts in columns.items()}
    return cells.joined(named, "variant; attack, measure")
