"""Stage: what the networks of each family leak, by their size, and its trends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks import metrics
from ptq_privacy.files import shard_records, tables
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import scale
from ptq_privacy.measures.leakage import Values, from_table
from ptq_privacy.measures.scale import Sized

METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
COLUMNS = (
    "dataset", "family", "attack", "metric", "supported", "nonmembers", "kind", "network",
    "parameters", "variant", "accuracy", "adversary", "estimate", "low", "high", "p_value",
)  # fmt: skip


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
    sizes = {
        (place["dataset"], place["network"]): int(json.loads(Path(path).read_text())["parameters"])
        for place, path in zip(networks, tried, strict=True)
    }
    read: dict[tuple[str, str, str, str], tuple[pd.DataFrame, Values, float]] = {}
    for place, cell in enumerate(cells):
        accuracy = _accuracy(checkpoints[place * shards :][:shards], targets)
        known = tables.read_frame(leakage[place]), from_table(tables.read_frame(values[place]))
        read[cell["dataset"], cell["network"], cell["variant"], cell["adversary"]] = (
            *known,
            accuracy,
        )
    rows: list[dict[str, object]] = []
    families = list(dict.fromkeys((place["dataset"], place["family"]) for place in networks))
    for dataset, family in families:
        names = [n["network"] for n in networks if (n["dataset"], n["family"]) == (dataset, family)]
        own = {key[1:]: known for key, known in read.items() if key[0] == dataset}
        shown = list(dict.fromkeys(key[1:] for key in own if key[0] in names))
        nonmembers = min(int(known[0]["nonmembers"].min()) for known in own.values())
        for attack in attacks:
            for metric in METRICS:
                shared: dict[str, object] = {"dataset": dataset, "family": family}
                shared |= {"attack": attack, "metric": metric, "nonmembers": nonmembers}
                shared |= {"supported": metrics.supports(nonmembers, metric)}
                found: dict[tuple[str, str], list[Sized]] = {}
                for variant, adversary in shown:
                    for name in names:
                        table, measured, accuracy = own[name, variant, adversary]
                        parameters = sizes[dataset, name]
                        level = {"network": name, "parameters": parameters, "accuracy": accuracy}
                        level |= {"kind": scale.LEAK, "variant": variant, "adversary": adversary}
                        row = table[table["attack"] == attack].iloc[0]
                        parts = zip(
                            ("estimate", "low", "high", "p_value"),
                            ("mean", "low", "high", "p_value"),
                            strict=True,
                        )
                        rows.append(
                            {**shared, **level, **{p: row[f"{metric}_{of}"] for p, of in parts}}
                        )
                        one = Sized(parameters, measured[attack][metric])
                        found.setdefault((variant, adversary), []).append(one)
                full = next(many for (variant, _), many in found.items() if variant == "full")
                all_of = {"network": "all", "parameters": 0, "accuracy": np.nan}
                rows += [{**shared, **all_of, **row} for row in scale.trends(full, found)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    tables.write_frame(parquet, table, origin)
    with replacing(csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def _accuracy(shards: Sequence[str | Path], targets: int) -> float:
    """On the test set, mean over the targets."""
    records = dict(item for path in shards for item in shard_records.records(path).items())
    return float(np.mean([records[target].test_accuracy for target in range(targets)]))
