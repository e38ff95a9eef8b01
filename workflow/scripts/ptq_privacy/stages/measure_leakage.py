"""Stage: what one variant leaks to one adversary, by every attack and metric."""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import leakage


def measure_leakage(
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
