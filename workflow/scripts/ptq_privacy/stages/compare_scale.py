"""Stage: what the networks of each family leak, by their size, and its trends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks import metrics
from ptq_privacy.files import shard_records, tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import scale
from ptq_privacy.measures.leakage import Values, from_table
from ptq_privacy.measures.scale import Sized

METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
COLUMNS = (
    "dataset", "family", "attack", "metric", "supported", "nonmembers", "kind", "network",
    "parameters", "variant", "accuracy", "adversary", "estimate", "low", "high", "p_value",
)  # fmt: skip


@dataclass(frozen=True)
class _Cell:
    """What is known of one network at one variant to one adversary.

    leakage: a row an attack. values: of each target. accuracy: on the test set, mean over targets.
    """

    network: str
    variant: str
    adversary: str
    parameters: int
    leakage: pd.DataFrame
    values: Values
    accuracy: float


def compare_scale(
    leakage: Sequence[str | Path],
    values: Sequence[str | Path],
    checkpoints: Sequence[str | Path],
    tried: Sequence[str | Path],
    cells: Sequence[Mapping[str, str]],
    networks: Sequence[Mapping[str, str]],
    targets: int,
    attacks: Sequence[str],
    parquet: str | Path,
    csv: str | Path,
    origin: Origin | None = None,
) -> None:
    """Write what every network leaks (`leak`) and the trends of `scale.trends`, a row each.

    Args:
        leakage, values: a file of each for each cell, a network, a variant and an adversary.
        checkpoints: as many shards for each cell as hold the targets.
        tried: what `check_network` wrote, of each network.
        networks: each with the `dataset`, the `family` it is of and its name, `network`.
        attacks: scores to speak of.
    """
    shards = len(checkpoints) // len(cells)
    sizes, families = {}, {}
    for member, path in zip(networks, tried, strict=True):
        key = member["dataset"], member["network"]
        sizes[key] = int(json.loads(Path(path).read_text())["parameters"])
        families[key] = member["dataset"], member["family"]
    known: dict[tuple[str, str], list[_Cell]] = {}
    for place, cell in enumerate(cells):
        key = cell["dataset"], cell["network"]
        own = checkpoints[place * shards :][:shards]  # that hold the targets
        known.setdefault(families[key], []).append(
            _Cell(
                network=cell["network"],
                variant=cell["variant"],
                adversary=cell["adversary"],
                parameters=sizes[key],
                leakage=tables.read_frame(leakage[place]).set_index("attack"),
                values=from_table(tables.read_frame(values[place])),
                accuracy=float(np.mean(shard_records.accuracies(own, targets))),
            )
        )
    rows = [
        {"dataset": dataset, "family": family, **row}
        for (dataset, family), own in known.items()
        for row in _of_family(own, attacks)
    ]
    tables.write_frames(parquet, csv, pd.DataFrame(rows, columns=list(COLUMNS)), origin)


def _of_family(cells: Sequence[_Cell], attacks: Sequence[str]) -> list[dict[str, object]]:
    """Rows of one family on one data set."""
    nonmembers = min(int(cell.leakage["nonmembers"].min()) for cell in cells)
    rows: list[dict[str, object]] = []
    for attack, metric in product(attacks, METRICS):
        supported = metrics.supports(nonmembers, metric)
        shared = {"attack": attack, "metric": metric, "supported": supported}
        shared["nonmembers"] = nonmembers
        found: dict[tuple[str, str], list[Sized]] = {}
        for cell in cells:
            rows.append({**shared, **_level(cell, attack, metric)})
            one = Sized(cell.parameters, cell.values[attack][metric])
            found.setdefault((cell.variant, cell.adversary), []).append(one)
        full = next(many for (variant, _), many in found.items() if variant == "full")
        all_of = {"network": "all", "parameters": 0, "accuracy": np.nan}
        rows += [{**shared, **all_of, **row} for row in scale.trends(full, found)]
    return rows


def _level(cell: _Cell, attack: str, metric: str) -> dict[str, object]:
    """What one attack finds in one cell."""
    measured = cell.leakage.loc[attack]
    about = ("network", "parameters", "variant", "accuracy", "adversary")
    return {
        "kind": scale.LEAK,
        **{name: getattr(cell, name) for name in about},
        "estimate": measured[f"{metric}_mean"],
        **{part: measured[f"{metric}_{part}"] for part in ("low", "high", "p_value")},
    }
