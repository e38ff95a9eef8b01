"""Stage: which guarantees of differential privacy the attacks on one network refute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import epsilon


def bound_epsilon(
    scores: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    seed: int,
    origin: Origin | None = None,
    delta: float = epsilon.DELTA,
) -> None:
    """Write `epsilon.audit` of the score file of each cell, a variant and an adversary.

    Args:
        delta: that of the promise where there is one, so that the two can be compared.
    """
    parts = []
    for cell, path in zip(cells, scores, strict=True):
        known = score_files.read(path)
        table = epsilon.audit(known.targets, known.member, known.attacks, seed, delta)
        for place, (name, value) in enumerate(cell.items()):
            table.insert(place, name, value)
        parts.append(table)
    tables.write_frame(output, pd.concat(parts, ignore_index=True), origin)
