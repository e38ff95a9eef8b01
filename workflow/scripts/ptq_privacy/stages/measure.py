"""Stage: what one precision leaks to one adversary, by every attack and metric."""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.attacks import leakage
from ptq_privacy.attacks import scores as score_files
from ptq_privacy.data import tables
from ptq_privacy.data.origin import Origin


def measure_scores(
    scores: str | Path,
    output: str | Path,
    replicates_output: str | Path,
    seed: int,
    replicates: int,
    origin: Origin | None = None,
) -> None:
    """Write `leakage.tabulate` of a score file, and the bootstrap behind its intervals."""
    known = score_files.read(scores)
    drawn = leakage.bootstrap(known, seed, replicates)
    tables.write_frame(output, leakage.tabulate(known, drawn), origin)
    tables.write_frame(replicates_output, leakage.as_table(drawn), origin)
