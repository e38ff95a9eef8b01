"""Stage: what one precision leaks to one adversary, by every attack and metric."""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.attacks import leakage
from ptq_privacy.data.files import replacing


def measure_scores(scores: str | Path, output: str | Path, seed: int, replicates: int) -> None:
    """Write `leakage.measure` of a score file as parquet."""
    table = leakage.measure(scores, seed, replicates)
    with replacing(output) as temporary:
        table.to_parquet(temporary, index=False)
