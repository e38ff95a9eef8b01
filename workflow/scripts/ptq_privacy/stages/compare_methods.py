"""Stage: compression methods of the whole study against each other, at equal bits and accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks import metrics
from ptq_privacy.files import shard_records, tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import methods
from ptq_privacy.measures.leakage import Values, from_table
from ptq_privacy.measures.methods import Measured
from ptq_privacy.study.variants import Variant

METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
COLUMNS = ("adversary", "attack", "metric", "supported", "network", "method", "other", "at")


def compare_methods(
    leakage: Sequence[str | Path],
    values: Sequence[str | Path],
    checkpoints: Sequence[str | Path],
    cells: Sequence[Mapping[str, str]],
    targets: int,
    attacks: Sequence[str],
    parquet: str | Path,
    csv: str | Path,
    origin: Origin | None = None,
) -> None:
    """Write `methods.differences` under every adversary, by every attack and metric.

    Args:
        leakage, values: a file of each for each cell, a network, a variant and an adversary.
        checkpoints: as many shards for each cell as hold the targets.
        attacks: scores to compare by.
    """
    shards = len(checkpoints) // len(cells)
    read: dict[tuple[str, str], dict[str, tuple[Values, np.ndarray]]] = {}
    nonmembers = []
    for place, (cell, path) in enumerate(zip(cells, values, strict=True)):
        key = (f"{cell['dataset']}, {cell['network']}", cell["variant"])
        own_shards = checkpoints[place * shards :][:shards]
        accuracy = np.array(shard_records.accuracies(own_shards, targets))
        own = from_table(tables.read_frame(path))
        read.setdefault(key, {})[cell["adversary"]] = own, accuracy
        nonmembers.append(int(tables.read_frame(leakage[place])["nonmembers"].min()))
    rows = []
    for adversary in dict.fromkeys(cell["adversary"] for cell in cells):
        for attack in attacks:
            for metric in METRICS:
                networks: dict[str, dict[Variant, Measured]] = {}
                for (network, variant), by_adversary in read.items():
                    at_full = next(iter(by_adversary.values())) if variant == "full" else None
                    known = by_adversary.get(adversary, at_full)
                    if known is not None and attack in known[0]:
                        one = Measured(known[0][attack][metric], known[1])
                        networks.setdefault(network, {})[Variant.recorded(variant)] = one
                shared = {"adversary": adversary, "attack": attack, "metric": metric}
                resolved = {"supported": metrics.supports(min(nonmembers), metric)}
                rows += [{**shared, **resolved, **row} for row in methods.differences(networks)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "estimate", "low", "high", "p_value", "note"])
    tables.write_frames(parquet, csv, table, origin)
