"""What can be concluded from the measurements of one network: a section a question.

Which sentence an interval allows is decided in `sentences`; here is what is asked, and of which
tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ptq_privacy.attacks.metrics import supports
from ptq_privacy.report import exposure_figure, style, sweep
from ptq_privacy.report.sentences import (
    HIGHER,
    LOWER,
    OPEN,
    Section,
    Words,
    at_least,
    chance,
    claims,
    grouped,
    listed,
)
from ptq_privacy.report.summary import TPR
from ptq_privacy.study.variants import Variant

METRICS = {
    TPR: ("TPR at 0.1 % FPR", 0.001),
    "tpr_at_fpr_0.01": ("TPR at 1 % FPR", 0.01),
    "auc": ("AUC", 0.5),
}
"""From the one to be preferred to the one that the fewest non-members support; name and chance."""


def usable_metric(compared: pd.DataFrame) -> str:
    """The first of `METRICS` that the non-members support."""
    supported = compared.groupby("metric")["supported"].all()
    return next(metric for metric in METRICS if supported.get(metric, False))


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
        calibration: calibration samples against other members, by variant and adversary; None too.
        swept: attacks with fewer shadow models.
        thresholds: what thresholds set on shadow models give, by variant and adversary; None
            where there are too few shadow models to set any.
        attacks: the attacks to speak of, the headline first.
    """
    if compared is None or calibration is None:
        return _of_full_precision(summary, swept, thresholds, attacks[0])
    metric = usable_metric(compared)
    own = compared[compared["metric"] == metric]
    sections = [
        leakage(own, summary, metric, attacks[0]),
        adaptation(own, metric, attacks),
        outliers(exposed),
        calibrated(calibration),
        worth(thresholds, metric, attacks[0]),
        strength(swept),
    ]
    looked = [
        own[(own["kind"] == "against_full") & (own["attack"] == attacks[0])],
        own[(own["kind"] == "adaptive_minus_transfer") & own["attack"].isin(attacks)],
        *(_kept_top_minus_other(table) for table in exposed.values()),
        calibration[calibration["metric"] == usable_metric(calibration)],
    ]
    if thresholds is not None:
        looked.append(_excess(thresholds, _fpr_limit(metric), attacks[0]))
    luck = chance(*claims(looked))
    return [*sections, Section("How much of this could be chance?", (luck,))]


def _of_full_precision(
    summary: pd.DataFrame, swept: pd.DataFrame, thresholds: pd.DataFrame | None, attack: str
) -> list[Section]:
    """What is left to say where the study compresses nothing."""
    metric = next(m for m in METRICS if supports(int(summary["nonmembers"].min()), m))
    alone = "The study compresses nothing, so this page speaks of full precision alone."
    found = (alone, *_measured(summary, metric, attack), *_above(summary, metric, attack))
    first = Section("Do the networks give away their members?", found)
    return [first, worth(thresholds, metric, attack), strength(swept)]


def _measured(summary: pd.DataFrame, metric: str, attack: str) -> list[str]:
    """By what leakage is measured, and why if not by what is preferred."""
    name, first = METRICS[metric][0], summary.iloc[0]
    targets = style.counted(first["targets"], "target")
    sentences = [f"Measured by {style.score_title(attack)} on {targets}: {name}."]
    if metric != TPR:
        sentences.append(
            f"With {first['nonmembers']} non-members a target there are too few non-members to "
            f"tell anything about 0.1 % FPR; so this page speaks of the {name}."
        )
    return sentences


def leakage(compared: pd.DataFrame, summary: pd.DataFrame, metric: str, attack: str) -> Section:
    """Every variant against full precision, and against chance."""
    unit, scale, digits = _unit(metric)
    sentences = _measured(summary, metric, attack)
    rows = compared[(compared["kind"] == "against_full") & (compared["attack"] == attack)]
    for adversary, own in rows.groupby("adversary", sort=False):
        words = Words(
            higher=f"To the {adversary} adversary, leaks more than full precision",
            lower=f"To the {adversary} adversary, leaks less than full precision",
            open=f"To the {adversary} adversary, not distinguishable from full precision",
        )
        sentences += grouped(_named(own), words, unit, scale, digits)
    return Section(
        "Does quantization hide members?", (*sentences, *_above(summary, metric, attack))
    )


def _above(summary: pd.DataFrame, metric: str, attack: str) -> list[str]:
    """Which intervals lie above what guessing reaches."""
    name, guess = METRICS[metric]
    level = f"{guess:g}" if metric == "auc" else f"{100 * guess:g} %"
    sentences = []
    for adversary, own in summary[summary["attack"] == attack].groupby("adversary", sort=False):
        above = own[f"{metric}_low"] > guess
        for chosen, text in (
            (above, f"above chance (the interval of the {name} lies above {level})"),
            (~above, f"not distinguishable from chance (the interval reaches {level})"),
        ):
            names = _named(own[chosen])["name"]
            if len(names):
                sentences.append(
                    f"To the {adversary} adversary, {text}: {listed(names, len(own))}."
                )
    return sentences


def adaptation(compared: pd.DataFrame, metric: str, attacks: Sequence[str]) -> Section:
    """Adaptive against transfer, and the share of the gain that adapting takes back."""
    unit, scale, digits = _unit(metric)
    sentences = []
    for attack in attacks:
        own = compared[compared["attack"] == attack]
        title = style.score_title(attack)
        risen = own[own["kind"] == "adaptive_minus_transfer"]
        words = Words(
            higher=f"{title} finds more with shadow models quantized as the target is",
            lower=f"{title} finds less with shadow models quantized as the target is",
            open=f"No difference between the adversaries can be told for {title}",
        )
        sentences += grouped(_named(risen), words, unit, scale, digits)
        taken = own[own["kind"] == "taken_back"]
        sure = _named(taken[taken["low"] > 0])
        if len(sure):
            items = [
                f"{name} ({at_least(100 * low, 100 * high, 0)} %)"
                for name, low, high in zip(sure["name"], sure["low"], sure["high"], strict=True)
            ]
            sentences.append(
                "Of the apparent gain in privacy, adapting takes back at least the share in "
                f"brackets, with {title}: {'; '.join(items)}."
            )
    if not sentences:
        sentences = ["One adversary alone was run, so this cannot be told."]
    return Section("Does an adapting attacker take it back?", tuple(sentences))


def outliers(exposed: Mapping[str, pd.DataFrame]) -> Section:
    """Whether the most exposed samples keep more of their exposure than the others."""
    sentences = []
    for adversary, summary in exposed.items():
        own = _kept_top_minus_other(summary)
        words = Words(
            higher=f"To the {adversary} adversary, the most exposed 1 % of images keep a larger "
            "share of their exposure than the others, so quantization protects them less",
            lower=f"To the {adversary} adversary, the most exposed 1 % of images keep a smaller "
            "share of their exposure than the others, so quantization protects them more",
            open=f"To the {adversary} adversary, whether the most exposed 1 % keep more or less "
            "than the others cannot be told",
        )
        sentences += grouped(_named(own), words, "points", 100, 0)
    return Section("Are the most exposed images protected too?", tuple(sentences))


def _kept_top_minus_other(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[
        (summary["statistic"] == "kept_top_minus_other") & (summary["fpr"] == exposure_figure.FPR)
    ]


def calibrated(calibration: pd.DataFrame) -> Section:
    """Calibration samples against the other members."""
    metric = usable_metric(calibration)
    unit, scale, digits = _unit(metric)
    name = METRICS[metric][0]
    sentences = []
    own = calibration[calibration["metric"] == metric]
    for adversary, rows in own.groupby("adversary", sort=False):
        words = Words(
            higher=f"To the {adversary} adversary, calibration samples are easier to tell than "
            f"other members ({name})",
            lower=f"To the {adversary} adversary, calibration samples are harder to tell than "
            f"other members ({name})",
            open=f"To the {adversary} adversary, no difference between calibration samples and "
            f"other members can be told ({name})",
        )
        sentences += grouped(_named(rows), words, unit, scale, digits)
    return Section("Does calibration itself leak?", tuple(sentences))


def worth(thresholds: pd.DataFrame | None, metric: str, attack: str) -> Section:
    """Thresholds that an attacker can set: the false positives they give, and what a call means."""
    question = "What is an accusation worth?"
    if thresholds is None:
        return Section(question, ("There are too few shadow models to set a threshold on.",))
    limit = _fpr_limit(metric)
    own = _excess(thresholds, limit, attack)
    sentences = []
    for adversary, rows in own.groupby("adversary", sort=False):
        start = f"Set by the {adversary} adversary on shadow models for {100 * limit:g} % FPR, a"
        words = Words(
            higher=f"{start} threshold accuses more non-members than it should",
            lower=f"{start} threshold accuses fewer non-members than it may",
            open=f"{start} threshold gives an FPR that cannot be told from that",
        )
        sentences += grouped(_named(rows), words, "points", 100, 2)
    for row in own[own["variant"] == "full"].to_dict("records"):
        shares = [
            f"{100 * row[f'ppv_{prior}']:.0f} % [{100 * row[f'ppv_{prior}_low']:.0f}, "
            f"{100 * row[f'ppv_{prior}_high']:.0f}] where {100 * float(prior):g} % are members"
            for prior in ("0.5", "0.1", "0.01")
        ]
        sentences.append(f"Of those accused at full precision, members are: {', '.join(shares)}.")
    return Section(question, tuple(sentences))


def _fpr_limit(metric: str) -> float:
    return 0.001 if metric == TPR else 0.01


def _excess(thresholds: pd.DataFrame, limit: float, attack: str) -> pd.DataFrame:
    """One attack's thresholds at one limit, with the interval `low`, `high` of FPR - limit."""
    own = thresholds[(thresholds["attack"] == attack) & (thresholds["fpr_limit"] == limit)]
    return own.assign(low=own["fpr_low"] - limit, high=own["fpr_high"] - limit)


def strength(swept: pd.DataFrame) -> Section:
    """RMIA against LiRA by the number of shadow models, where their intervals do not meet."""
    sentences = []
    known = set(swept["attack"])
    for ours, theirs in (
        ("rmia_online", "lira_online_fixed"),
        ("rmia_offline", "lira_offline_fixed"),
    ):
        if not {ours, theirs} <= known:
            continue
        both = [sweep.intervals(swept[swept["attack"] == attack]) for attack in (ours, theirs)]
        if both[0]["low"].isna().any():
            sentences = ["One target has no interval over targets, so this cannot be told."]
            break
        groups: dict[str, list[str]] = {HIGHER: [], LOWER: [], OPEN: []}
        for size in both[0].index:
            a, b = both[0].loc[size], both[1].loc[size]
            found = HIGHER if a["low"] > b["high"] else LOWER if a["high"] < b["low"] else OPEN
            means = f"{100 * a['mean']:.2f} against {100 * b['mean']:.2f} %"
            groups[found].append(f"{size} ({means})")
        names = style.score_title(ours), style.score_title(theirs)
        texts = {
            HIGHER: f"{names[0]} finds more than {names[1]}",
            LOWER: f"{names[0]} finds less than {names[1]}",
            OPEN: f"{names[0]} and {names[1]} cannot be told apart (their intervals meet)",
        }
        for found, sizes in groups.items():
            if sizes:
                sentences.append(f"{texts[found]} with shadow models: {', '.join(sizes)}.")
    if not sentences:
        sentences = ["RMIA and LiRA were not both run, so this cannot be told."]
    return Section("Which attack needs fewer shadow models?", tuple(sentences))


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(name=[style.name(Variant.recorded(text)) for text in rows["variant"]])


def _unit(metric: str) -> tuple[str, float, int]:
    """Unit, scale and decimals of a difference of a metric."""
    return ("units", 1, 3) if metric == "auc" else ("points", 100, 2)
