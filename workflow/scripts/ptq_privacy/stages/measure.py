"""Stage: what one precision leaks to one adversary, by every attack and metric."""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.attacks import leakage
from ptq_privacy.data import tables
from ptq_privacy.data.origin import Origin


def measure_scores(
    scores: str | Path, output: str | Path, seed: int, replicates: int, origin: Origin
) -> None:
    """Write `leakage.measure` of a score file as parquet."""
    tables.write_frame(output, leakage.measure(scores, seed, replicates), origin)
