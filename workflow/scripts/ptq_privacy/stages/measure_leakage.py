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
    values_output: str | Path,
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write `leakage.tabulate` of a score file, and the targets' values behind its intervals."""
    known = score_files.read(scores)
    measured = leakage.values(known, seed)
    rows = leakage.rows(known, measured)
    by_column = {name: [row[name] for row in rows] for name in rows[0]}
    tables.write_columns(output, by_column, origin)
    tables.write_columns(values_output, leakage.as_columns(measured), origin)
