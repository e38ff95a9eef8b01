"""The summary: one row a data set, architecture, variant, adversary and attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.files import checkpoints, tables
from ptq_privacy.files import origin as origins
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style
from ptq_privacy.study.variants import Variant

TPR = "tpr_at_fpr_0.001"


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
            "head_bits": np.nan if variant.head_bits is None else variant.head_bits,
            "adversary": cell.adversary,
            "shadow_models": shadow_models,
            **_of_targets(cell, targets),
        }
        for place, (column, value) in enumerate(columns.items()):
            measured.insert(place, column, value)
        rows.append(measured)
    return _with_changes(pd.concat(rows, ignore_index=True))


def _of_targets(cell: Cell, targets: int) -> dict[str, float]:
    records = [record for path in cell.checkpoints for record in checkpoints.records(path).items()]
    chosen = pd.DataFrame([record for model, record in sorted(records) if model < targets])
    columns = {}
    for name in ("train_accuracy", "test_accuracy"):
        columns[f"{name}_mean"] = float(chosen[name].mean())
        columns[f"{name}_std"] = float(chosen[name].std())  # NaN for a single target
    return columns | {
        name: float(chosen[name].mean()) for name in ("bits_per_weight", "zero_fraction")
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


def write(
    table: pd.DataFrame,
    headline: str,
    differences: Mapping[tuple[str, str], str],
    parquet: str | Path,
    csv: str | Path,
    markdown: str | Path,
    origin: Origin | None = None,
) -> None:
    """Write the whole table as parquet and CSV, and its headline attack as Markdown.

    Args:
        differences: by (data set, architecture), Markdown to follow its table.
    """
    tables.write_frame(parquet, table, origin)
    with replacing(csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    with replacing(markdown) as temporary:
        text = as_markdown(table, headline, differences)
        temporary.write_text(text + (origins.comment(origin) if origin else ""))


def as_markdown(
    table: pd.DataFrame, attack: str, differences: Mapping[tuple[str, str], str]
) -> str:
    """One table a (data set, architecture): variants down, the two adversaries across."""
    parts = []
    for (dataset, network), group in table[table["attack"] == attack].groupby(
        ["dataset", "network"], sort=False
    ):
        adversaries = list(group["adversary"].unique())
        first = group.iloc[0]
        parts.append(
            f"## {dataset}, {network}\n\n"
            f"{style.score_title(attack)}, {style.counted(first['targets'], 'target')}, "
            f"{first['shadow_models']} shadow models, {first['members']} members and "
            f"{first['nonmembers']} non-members a target. In brackets the 95 % interval over "
            f"{'targets and samples' if first['targets'] > 1 else 'samples of this one target'}.\n"
        )
        supported = bool(group["fpr_0.001_supported"].all())
        heads = ["variant", "bits a weight", "test accuracy %"]
        for adversary in adversaries:
            heads += [f"TPR@0.1%FPR %, {adversary}"] + ["pooled %"] * (not supported)
            heads += [f"AUC, {adversary}"]
        parts.append("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
        parts += [
            _row(rows, adversaries, pooled=not supported)
            for _, rows in group.groupby("variant", sort=False)
        ]
        if not supported:
            parts.append(
                f"\n{first['nonmembers']} non-members cannot resolve an FPR of 0.1 % a target: the "
                "TPR is that at the largest FPR not above it, zero false positives, and its "
                "interval resamples targets and members alone. The pooled one is read off a single "
                "ROC over all targets' scores, which can."
            )
        parts += ["", differences.get((str(dataset), str(network)), "")]
    return "\n".join(parts)


def _row(rows: pd.DataFrame, adversaries: Sequence[str], pooled: bool) -> str:
    any_row = rows.iloc[0]
    cells = [
        style.name(Variant.recorded(any_row["variant"])),
        f"{any_row['bits_per_weight']:.2f}",
        _with_deviation(any_row["test_accuracy_mean"], any_row["test_accuracy_std"]),
    ]
    for adversary in adversaries:
        own = rows[rows["adversary"] == adversary]
        row = own.iloc[0] if len(own) else any_row  # at full precision the adversaries are one
        tpr = [100 * row[f"{TPR}_{part}"] for part in ("mean", "low", "high")]
        cells.append(f"{tpr[0]:.2f} [{tpr[1]:.2f}, {tpr[2]:.2f}]")
        cells += [f"{100 * row[f'{TPR}_pooled']:.2f}"] * pooled
        cells.append(f"{row['auc_mean']:.3f}")
    return "| " + " | ".join(cells) + " |"


def _with_deviation(mean: float, deviation: float) -> str:
    """In per cent; a single target has no deviation."""
    return f"{100 * mean:.2f}" + ("" if np.isnan(deviation) else f" ± {100 * deviation:.2f}")
