"""Stage: the summary tables of the whole study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import summary


def summarize(
    leakage: Sequence[str | Path],
    epsilon: Sequence[str | Path],
    checkpoints: Sequence[str | Path],
    cells: Sequence[Mapping[str, str]],
    networks: Sequence[Mapping[str, str]],
    headline: str,
    targets: int,
    shadow_models: int,
    parquet: str | Path,
    csv: str | Path,
    markdown: str | Path,
    origin: Origin,
) -> None:
    """Write one row a cell and score, and the headline's table for people.

    Args:
        leakage: a file for each cell, a network, a variant and an adversary.
        epsilon: a file for each network.
        checkpoints: as many shards for each cell as hold the targets.
    """
    shards = len(checkpoints) // len(cells)
    measured = [
        summary.Cell(
            **cell,
            leakage=str(path),
            checkpoints=tuple(map(str, checkpoints[place * shards :][:shards])),
        )
        for place, (cell, path) in enumerate(zip(cells, leakage, strict=True))
    ]
    bounds = pd.concat(
        tables.read_frame(path).assign(**place)
        for path, place in zip(epsilon, networks, strict=True)
    )
    table = summary.with_epsilon(summary.summarize(measured, targets, shadow_models), bounds)
    summary.write(table, headline, parquet, csv, markdown, origin)
