"""Stage: precisions and adversaries of one network, compared on the same targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks import calibration, comparisons
from ptq_privacy.attacks import scores as score_files
from ptq_privacy.attacks.comparisons import Measured
from ptq_privacy.data import tables
from ptq_privacy.data.calibration import calibration_set
from ptq_privacy.data.origin import Origin


def compare_cells(
    leakage: Sequence[str | Path],
    replicates: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    origin: Origin | None = None,
) -> None:
    """Write `comparisons.compare` of the files of each cell, a precision and an adversary."""
    measured = {
        (cell["precision"], cell["adversary"]): Measured(
            tables.read_frame(table), tables.read_frame(drawn)
        )
        for cell, table, drawn in zip(cells, leakage, replicates, strict=True)
    }
    tables.write_frame(output, comparisons.compare(measured), origin)


def compare_calibration(
    scores: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    attack: str,
    calibration_samples: int,
    seed: int,
    replicates: int,
    origin: Origin | None = None,
) -> None:
    """Write `calibration.compare` of the score file of each cell, a quantized precision.

    Which members calibrated a target is drawn again, as when it was quantized.
    """
    compared = []
    for cell, path in zip(cells, scores, strict=True):
        known = score_files.read(path)
        calibrated = np.zeros_like(known.member)
        for row, target in enumerate(known.targets):
            chosen = calibration_set(known.member[row], calibration_samples, seed, target)
            calibrated[row, chosen] = True
        table = calibration.compare(
            known.member, calibrated, known.attacks[attack], seed, replicates
        )
        for place, (name, value) in enumerate({"attack": attack, **cell}.items()):
            table.insert(place, name, value)
        compared.append(table)
    tables.write_frame(output, pd.concat(compared, ignore_index=True), origin)
