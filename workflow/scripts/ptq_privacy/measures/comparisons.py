"""Variants and adversaries side by side, on the same targets and the same resampled samples.

What a difference varies with is mostly not what each side varies with: a target that is easy to
attack is so at every variant. So differences are taken target by target, as measured and on each
of the resampled samples that `leakage` keeps, before `intervals` says how sure their mean is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.measures.intervals import UNKNOWN, Estimate, Resampled, estimate
from ptq_privacy.measures.leakage import Values
from ptq_privacy.study.adversaries import ADVERSARIES

if TYPE_CHECKING:
    import pandas as pd

NO_GAIN = "the gain against the transfer adversary may be zero, so no share of it can be told"


@dataclass(frozen=True)
class Measured:
    """One variant under one adversary: `leakage.tabulate`'s table, and `leakage.values`'."""

    leakage: pd.DataFrame
    values: Values


def compare(measured: Mapping[tuple[str, str], Measured]) -> pd.DataFrame:
    """Every difference that the study is about, with its interval and p-value.

    Args:
        measured: by (variant, adversary); `full` with one adversary, whose name is ignored.

    Returns:
        A row for each attack, metric and:

        kind                    adversary     estimate
        `against_full`          each          the metric's mean over targets at the variant, less
                                              that at full precision
        `against_transfer`      each other    its mean under the adversary, less that under the
                                              transfer one; of those who have the variant alone
        `taken_back`            likewise      that over (full - transfer): the share of the apparent
                                              gain in privacy that such an attacker takes back
        `attack_minus_attack`   each          its mean by the attack, less that by `other`, at every
                                              variant, full precision too

        Columns `attack`, `other`, `metric`, `kind`, `variant`, `adversary`, `estimate`, `low` and
        `high` (95%), `p_value` (two-sided, of zero), `targets`, `supported` (whether the
        non-members resolve the metric's FPR), `note` (why an estimate is NaN, else empty).
        `taken_back` is NaN where the interval of full - transfer holds 0 or less.

    Raises:
        ValueError: no full precision, or files that are not of the same targets.
    """

    full = next((own for (variant, _), own in measured.items() if variant == "full"), None)
    if full is None:
        raise ValueError("full precision is not among what was measured")
    for own in measured.values():
        _check_same_targets(own.leakage, full.leakage)
    rows = []
    known = {"targets": int(full.leakage["targets"].iloc[0])}
    nonmembers = int(full.leakage["nonmembers"].iloc[0])
    for attack in dict.fromkeys(name for own in measured.values() for name in own.values):
        for metric in METRICS:
            # An attack need not run under every adversary, nor at full precision.
            values = {
                cell: own.values[attack][metric]
                for cell, own in measured.items()
                if attack in own.values
            }
            shared = {"attack": attack, **known, "metric": metric}
            shared |= {"supported": metrics.supports(nonmembers, metric)}
            rows += [{**shared, **row} for row in _rows(values)]
            rows += [{**shared, **row} for row in _against_others(measured, attack, metric)]
    return table(rows)


def table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as `compare` gives them; without any, of its columns all the same."""
    import pandas as pd

    columns = [
        "attack",
        "other",
        "metric",
        "kind",
        "variant",
        "adversary",
        "estimate",
        "low",
        "high",
    ]
    columns += ["p_value", "targets", "supported", "note"]
    return pd.DataFrame(rows, columns=columns)


def _check_same_targets(own: pd.DataFrame, full: pd.DataFrame) -> None:
    shared = ["targets", "members", "nonmembers"]
    other = (own[shared] != full[shared].iloc[0]).any(axis=1)
    if other.any():
        attack = own.loc[other, "attack"].iloc[0]
        raise ValueError(f"{attack}: the files compared are not of the same targets and members")


def _rows(values: Mapping[tuple[str, str], Resampled]) -> list[dict[str, object]]:
    full = next((own for (variant, _), own in values.items() if variant == "full"), None)
    if full is None:
        return []
    rows = []
    for variant in dict.fromkeys(variant for variant, _ in values if variant != "full"):
        own = {adversary: v for (name, adversary), v in values.items() if name == variant}
        for adversary, value in own.items():
            found = estimate(value.minus(full))
            rows.append(_row("against_full", variant, adversary, found))
        if "transfer" in own:
            transfer = own.pop("transfer")
            gain = full.minus(transfer)
            told = estimate(gain).low > 0
            for adversary, value in own.items():
                if not ADVERSARIES[adversary].beside_full:
                    risen = value.minus(transfer)
                    share = estimate(risen.over(gain)) if told else UNKNOWN
                    rows.append(_row("against_transfer", variant, adversary, estimate(risen)))
                    note = "" if told else NO_GAIN
                    rows.append(_row("taken_back", variant, adversary, share, note))
    return rows


def _against_others(
    measured: Mapping[tuple[str, str], Measured], attack: str, metric: str
) -> list[dict[str, object]]:
    """One attack against those that come after it, cell by cell."""
    rows = []
    for (variant, adversary), own in measured.items():
        attacks = list(own.values)
        later = attacks[attacks.index(attack) + 1 :] if attack in attacks else []
        for other in later:
            found = estimate(own.values[attack][metric].minus(own.values[other][metric]))
            row = _row("attack_minus_attack", variant, adversary, found)
            rows.append(row | {"other": other})
    return rows


def _row(
    kind: str, variant: str, adversary: str, found: Estimate, note: str = ""
) -> dict[str, object]:
    return {
        "kind": kind,
        "other": "",
        "variant": variant,
        "adversary": adversary,
        "estimate": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "note": note,
    }
