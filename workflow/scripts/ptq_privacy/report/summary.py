"""The summary: one row a data set, architecture, variant, adversary and attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.files import origin as origins
from ptq_privacy.files import shard_records, tables
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import summary_tables
from ptq_privacy.study.variants import Variant

TPR = "tpr_at_fpr_0.001"

PROMISED = {
    "epsilon_promised": "epsilon",
    "delta_promised": "delta",
    "epsilon_promised_replacing": "replacing",
}
"""Columns, and the fields of a `training.dp_sgd.Promise` that they hold."""


@dataclass(frozen=True)
class Cell:
    """One thing that was measured, and the files that say how it came out."""

    dataset: str
    network: str
    variant: str
    adversary: str
    leakage: str
    checkpoints: tuple[str, ...]


def summarize(cells: Sequence[Cell], targets: int, shadow_models: int) -> pd.DataFrame:
    """Gather accuracy, storage and leakage of every cell, in the order of the cells.

    Accuracies and storage are means over the targets, with the deviation `_std` between them.
    `epsilon_promised` is what differential privacy was promised, where neighbours add or remove a
    sample, and `epsilon_promised_replacing` what follows where they replace one; NaN without it.
    `{metric}_change` is relative to full precision under the same attack.
    """
    rows = []
    for cell in cells:
        variant = Variant.recorded(cell.variant)
        measured = tables.read_frame(cell.leakage)
        columns: dict[str, str | float] = {
            "dataset": cell.dataset,
            "network": cell.network,
            "variant": cell.variant,
            "method": variant.method or "full",
            "bits": 32.0 if variant.bits is None else variant.bits,
            "head_bits": _or_nan(variant.head_bits),
            "activation_bits": _or_nan(variant.activation_bits),
            "adversary": cell.adversary,
            "shadow_models": shadow_models,
            **_of_targets(cell, targets),
        }
        for place, (column, value) in enumerate(columns.items()):
            measured.insert(place, column, value)
        rows.append(measured)
    return _with_changes(pd.concat(rows, ignore_index=True))


def _or_nan(width: float | None) -> float:
    return np.nan if width is None else width


def _of_targets(cell: Cell, targets: int) -> dict[str, float]:
    records = [
        record for path in cell.checkpoints for record in shard_records.records(path).items()
    ]
    of_targets = [record for model, record in sorted(records) if model < targets]
    chosen = pd.DataFrame(of_targets)
    columns = {}
    for name in ("train_accuracy", "test_accuracy"):
        columns[f"{name}_mean"] = float(chosen[name].mean())
        columns[f"{name}_std"] = float(chosen[name].std())  # NaN for a single target
    columns |= {name: float(chosen[name].mean()) for name in ("bits_per_weight", "zero_fraction")}
    return columns | _promised([record.promise for record in of_targets])


def _promised(promises: Sequence[Mapping[str, float] | None]) -> dict[str, float]:
    """What was promised of every one of some networks; NaN where nothing was."""
    known = [promise for promise in promises if promise is not None]
    whole = len(known) == len(promises)
    return {
        column: max(promise[part] for promise in known) if whole else np.nan
        for column, part in PROMISED.items()
    }


def _with_changes(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["dataset", "network", "attack"]
    full = table[table["variant"] == "full"].set_index(keys)
    place = pd.MultiIndex.from_frame(table[keys])
    for metric in [*METRICS, "test_accuracy"]:
        base = full[f"{metric}_mean"].reindex(place).to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            table[f"{metric}_change"] = table[f"{metric}_mean"].to_numpy() / base - 1
    return table


def with_epsilon(table: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """The summary with each row's lower bound on epsilon, `epsilon_lower` at `delta`.

    Args:
        bounds: what `epsilon.audit` found, by data set, network, variant, adversary and attack.
    """
    keys = ["dataset", "network", "variant", "adversary", "attack"]
    columns = [*keys, "epsilon_lower", "delta"]
    return table.merge(bounds[columns], on=keys, how="left", validate="one_to_one")


def write(
    table: pd.DataFrame,
    headline: str,
    parquet: str | Path,
    csv: str | Path,
    markdown: str | Path,
    origin: Origin,
) -> None:
    """Write the whole table as parquet and CSV, and the headline's attack as Markdown."""
    tables.write_frames(parquet, csv, table, origin)
    with replacing(markdown) as temporary:
        text = summary_tables.summary_as_markdown(table, headline)
        temporary.write_text(text + origins.comment(origin), encoding="utf-8")
