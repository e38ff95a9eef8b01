"""Stage: variants and adversaries of one network, compared on the same targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import comparisons
from ptq_privacy.measures.comparisons import Measured
from ptq_privacy.measures.leakage import from_table


def compare_variants(
    leakage: Sequence[str | Path],
    values: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    origin: Origin | None = None,
) -> None:
    """Write `comparisons.compare` of the files of each cell, a variant and an adversary."""
    measured = {
        (cell["variant"], cell["adversary"]): Measured(
            tables.read_frame(table), from_table(tables.read_frame(own))
        )
        for cell, table, own in zip(cells, leakage, values, strict=True)
    }
    tables.write_frame(output, comparisons.compare(measured), origin)
