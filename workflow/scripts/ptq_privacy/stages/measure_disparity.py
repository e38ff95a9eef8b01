"""Stage: do some classes of one network's samples leak more than others?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.data import dataset as datasets
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import disparity, exposure
from ptq_privacy.measures.exposure import Calls


def measure_disparity(
    scores: Sequence[str | Path],
    dataset: str | Path,
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    attack: str,
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write `disparity.tabulate` of each cell, a variant and an adversary; the first is `full`.

    Args:
        scores: a file for each cell.
        attack: the score whose calls count.

    Raises:
        ValueError: names the file whose members are not those of the others.
    """
    first = score_files.read(scores[0])
    fpr = disparity.limit(int((~first.member).sum(axis=1).min()))
    classes = disparity.Classes(first.label, first.member, seed)

    def calls() -> Iterator[Calls]:
        for path in scores:
            known = score_files.read(path)
            if not np.array_equal(known.member, first.member):
                raise ValueError(f"{path}: its members are not those of {scores[0]}")
            yield exposure.calls(known, attack, fpr)

    parts = []
    found = disparity.tabulate(classes, calls(), datasets.read(dataset).classes)
    for cell, table in zip(cells, found, strict=True):
        table.insert(0, "fpr_limit", fpr)
        for place, (name, value) in enumerate(cell.items()):
            table.insert(place, name, value)
        parts.append(table)
    tables.write_frame(output, pd.concat(parts, ignore_index=True), origin)
