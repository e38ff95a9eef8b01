"""Variants and adversaries side by side, on the same targets and the same resampled ones.

What a difference varies with is mostly not what each side varies with: a target that is easy to
attack is so at every variant. So differences are taken replicate by replicate of the bootstrap
that `leakage` keeps, in which both sides draw the same targets and samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.measures.intervals import interval, p_value

if TYPE_CHECKING:
    import pandas as pd

NO_GAIN = "the gain against the transfer adversary may be zero, so no share of it can be told"


@dataclass(frozen=True)
class Measured:
    """One variant under one adversary: `leakage.tabulate`'s table, and `leakage.as_table`'s."""

    leakage: pd.DataFrame
    replicates: pd.DataFrame


@dataclass(frozen=True)
class _Value:
    estimate: float
    replicates: np.ndarray

    def minus(self, other: _Value) -> _Value:
        return _Value(self.estimate - other.estimate, self.replicates - other.replicates)


def compare(measured: Mapping[tuple[str, str], Measured]) -> pd.DataFrame:
    """Every difference that the study is about, with its interval and p-value.

    Args:
        measured: by (variant, adversary); `full` with one adversary, whose name is ignored.

    Returns:
        A row for each attack, metric and:

        kind                        adversary     estimate
        `against_full`              each          the metric's mean over targets at the variant,
                                                  less that at full precision
        `adaptive_minus_transfer`   `both`        its mean under the adaptive adversary, less that
                                                  under the transfer one
        `taken_back`                `both`        (adaptive - transfer) / (full - transfer): the
                                                  share of the apparent gain in privacy that an
                                                  adapting attacker takes back

        Columns `attack`, `metric`, `kind`, `variant`, `adversary`, `estimate`, `low` and `high`
        (95%), `p_value` (two-sided, of zero), `targets`, `supported` (whether the non-members
        resolve the metric's FPR), `note` (why an estimate is NaN, else empty). `taken_back` is NaN
        where the interval of full - transfer holds 0 or less.

    Raises:
        ValueError: no full precision, or files that were not resampled alike.
    """

    full = next((own for (variant, _), own in measured.items() if variant == "full"), None)
    if full is None:
        raise ValueError("full precision is not among what was measured")
    rows = []
    first = full.leakage.set_index("attack")
    for attack in first.index:
        known = {
            "attack": attack,
            "targets": int(first.loc[attack, "targets"]),
        }
        nonmembers = int(first.loc[attack, "nonmembers"])
        for metric in METRICS:
            values = {
                cell: _value(own, full, attack, metric)
                for cell, own in measured.items()
                if cell[0] != "full"
            }
            shared = {**known, "metric": metric, "supported": metrics.supports(nonmembers, metric)}
            rows += [{**shared, **row} for row in _rows(values, _value(full, full, attack, metric))]
    return table(rows)


def table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as `compare` gives them; without any, of its columns all the same."""
    import pandas as pd

    columns = ["attack", "metric", "kind", "variant", "adversary", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "p_value", "targets", "supported", "note"])


def _value(own: Measured, full: Measured, attack: str, metric: str) -> _Value:
    row = own.leakage.loc[own.leakage["attack"] == attack]
    chosen = own.replicates.loc[own.replicates["attack"] == attack]
    reference = full.replicates.loc[full.replicates["attack"] == attack, "replicate"]
    alike = full.leakage.loc[full.leakage["attack"] == attack, ["targets", "members", "nonmembers"]]
    if len(row) != 1 or not np.array_equal(chosen["replicate"], reference):
        raise ValueError(f"{attack}: the files compared do not hold the same replicates")
    if not np.array_equal(row[list(alike)].to_numpy(), alike.to_numpy()):
        raise ValueError(f"{attack}: the files compared are not of the same targets and members")
    return _Value(float(row[f"{metric}_mean"].iloc[0]), chosen[metric].to_numpy())


def _rows(values: Mapping[tuple[str, str], _Value], full: _Value) -> list[dict[str, object]]:
    rows = []
    for variant in dict.fromkeys(variant for variant, _ in values):
        own = {adversary: v for (name, adversary), v in values.items() if name == variant}
        for adversary, value in own.items():
            rows.append(_row("against_full", variant, adversary, value.minus(full)))
        if {"transfer", "adaptive"} <= set(own):
            rows.append(_both("adaptive_minus_transfer", variant, own, full))
            rows.append(_both("taken_back", variant, own, full))
    return rows


def _both(kind: str, variant: str, own: Mapping[str, _Value], full: _Value) -> dict[str, object]:
    risen = own["adaptive"].minus(own["transfer"])
    if kind == "adaptive_minus_transfer":
        return _row(kind, variant, "both", risen)
    gain = full.minus(own["transfer"])
    if interval(gain.replicates)[0] <= 0 or gain.estimate <= 0:
        nothing = _Value(np.nan, np.full(len(gain.replicates), np.nan))
        return _row(kind, variant, "both", nothing, NO_GAIN)
    # A replicate without a gain has no share; the few there can be go to the far ends.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(
            gain.replicates > 0,
            risen.replicates / gain.replicates,
            np.where(risen.replicates > 0, np.inf, -np.inf),
        )
    return _row(kind, variant, "both", _Value(risen.estimate / gain.estimate, share))


def _row(
    kind: str, variant: str, adversary: str, value: _Value, note: str = ""
) -> dict[str, object]:
    low, high = interval(value.replicates)
    return {
        "kind": kind,
        "variant": variant,
        "adversary": adversary,
        "estimate": value.estimate,
        "low": low,
        "high": high,
        "p_value": p_value(value.replicates),
        "note": note,
    }
