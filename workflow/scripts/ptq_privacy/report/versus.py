"""What can be concluded of attacks and methods against each other: a section a question."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from ptq_privacy.report import cells, style, sweep
from ptq_privacy.report.quoted import Quoted
from ptq_privacy.report.sentences import Section, Words, elsewhere, grouped
from ptq_privacy.study.variants import Variant


def attacks(compared: pd.DataFrame, measure: Quoted, headline: str) -> Section:
    """Every other attack against the headline's, at every variant and to every adversary."""
    rows = against(compared, headline)
    title = style.score_title(headline)
    if rows.empty:
        alone = f"One attack alone was run, {title}, so this cannot be told."
        return Section("Is another attack stronger?", (alone,))
    rows = rows.assign(
        name=[
            f"{style.score_title(row['attack'])} at "
            f"{style.name(Variant.recorded(row['variant']))} ({row['adversary']})"
            for row in rows.to_dict("records")
        ]
    )
    words = Words(
        higher=f"{title} is outdone by {{who}}",
        lower=f"{title} finds more than {{who}}",
        open=f"From {title} {{who}} {{be}} not distinguishable",
        of="attacks at variants",
    )
    columns = {
        "attack": _plain(rows, "attack", style.score_title),
        f"{measure.title}: less {title}": cells.measured(rows, measure, difference=True),
        "p, q": cells.tested(rows),
    }
    return Section("Is another attack stronger?", _said(rows, words, measure), _table(columns))


def against(compared: pd.DataFrame, headline: str) -> pd.DataFrame:
    """Every other attack less the headline's, whichever of the two a row names first."""
    pairs = compared[compared["kind"] == "attack_minus_attack"]
    after = pairs[pairs["other"] == headline]
    before = pairs[pairs["attack"] == headline]
    turned = before.assign(
        attack=before["other"],
        estimate=-before["estimate"],
        low=-before["high"],
        high=-before["low"],
    )
    return pd.concat([after, turned])


def methods(compared: pd.DataFrame, measure: Quoted, attack: str, leading: str) -> Section:
    """Every method against every other, at equal bits and at equal accuracy.

    Args:
        leading: the adversary of whom the sentences are; the table has all.
    """
    own = compared[(compared["metric"] == measure.metric) & (compared["attack"] == attack)]
    question = "Which method leaks less, at equal bits and at equal accuracy?"
    if own.empty:
        return Section(question, ("One method alone was run, so this cannot be told.",))
    over = {"all": " over all networks"}
    names = [
        f"{style.method_title(row['method'])} against {style.method_title(row['other'])}"
        f" at {row['at']}{over.get(row['network'], '')}"
        for row in own.to_dict("records")
    ]
    own = own.assign(name=names)
    sentences: tuple[str, ...] = ()
    columns = {}
    for adversary, rows in own.groupby("adversary", sort=False):
        for what, place in (("bits", False), ("accuracy", True)) if adversary == leading else ():
            part = rows[rows["at"].str.contains("accuracy") == place]
            known = part[part["low"].notna()]
            start = f"At equal {what}, to the {adversary} adversary"
            words = Words(
                higher=f"{start}, the first leaks more: {{who}}",
                lower=f"{start}, the first leaks less: {{who}}",
                open=f"{start}, no difference can be told: {{who}}",
                of="pairs of methods",
            )
            sentences += _said(known, words, measure)
            if len(known) < len(part):
                sentences += (
                    f"{start}, {len(part) - len(known)} of {len(part)} pairs cannot be compared: "
                    "a method's variants do not reach that loss of accuracy.",
                )
        columns[f"{measure.title}, {adversary}"] = cells.measured(rows, measure, difference=True)
        columns[f"p, q, {adversary}"] = cells.tested(rows)
    sentences += tuple(elsewhere(own[(own["adversary"] != leading) & own["low"].notna()]))
    return Section(question, sentences, _table(columns))


def strength(swept: pd.DataFrame, differences: pd.DataFrame, measure: Quoted) -> Section:
    """RMIA against LiRA by the number of shadow models, on the same targets and sets."""
    question = "Which attack needs fewer shadow models?"
    if differences.empty:
        return Section(question, ("RMIA and LiRA were not both run, so this cannot be told.",))
    sentences: tuple[str, ...] = ()
    columns = {}
    for (attack, other), rows in differences.groupby(["attack", "other"], sort=False):
        titles = style.score_title(str(attack)), style.score_title(str(other))
        rows = rows.assign(name=[f"{size} shadow models" for size in rows["shadow_models"]])
        words = Words(
            higher=f"{titles[0]} finds more than {titles[1]} with {{who}}",
            lower=f"{titles[0]} finds less than {titles[1]} with {{who}}",
            open=f"{titles[0]} and {titles[1]} cannot be told apart with {{who}}",
            of="numbers of shadow models",
        )
        sentences += _said(rows, words, measure)
        for name, title in zip((attack, other), titles, strict=True):
            own = sweep.intervals(swept[swept["attack"] == name], measure.metric).reset_index()
            own = own.assign(name=[f"{size} shadow models" for size in own["shadow_models"]])
            columns[title] = cells.measured(own, measure, ("mean", "low", "high"))
        columns[f"{titles[0]} - {titles[1]}"] = cells.measured(rows, measure, difference=True)
        columns[f"p, q of {titles[0]}"] = cells.tested(rows)
    return Section(question, sentences, cells.joined(columns, f"{measure.label} with"))


def _said(rows: pd.DataFrame, words: Words, measure: Quoted) -> tuple[str, ...]:
    return tuple(grouped(rows, words, measure.unit_of_differences, measure.scale, measure.digits))


def _plain(rows: pd.DataFrame, column: str, titled: Callable[[str], str]) -> pd.Series:
    return pd.Series([titled(value) for value in rows[column]], index=rows["name"], dtype=object)


def _table(columns: dict[str, pd.Series]) -> pd.DataFrame | None:
    return cells.joined(columns, "what against what")
