"""Stage: do the samples that calibrated a model leak more than its other members?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import calibration_leak
from ptq_privacy.measures.intervals import REPLICATES


def compare_calibration(
    scores: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    attack: str,
    calibration_samples: int,
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write `calibration_leak.compare` of the score file of each cell, a quantized variant.

    Which members calibrated a target is drawn again, as when it was quantized.
    """
    compared = []
    for cell, path in zip(cells, scores, strict=True):
        known = score_files.read(path)
        calibrated = np.zeros_like(known.member)
        for row, target in enumerate(known.targets):
            chosen = calibration_set(known.member[row], calibration_samples, seed, target)
            calibrated[row, chosen] = True
        table = calibration_leak.compare(
            known.member, calibrated, known.attacks[attack], seed, REPLICATES
        )
        for place, (name, value) in enumerate({"attack": attack, **cell}.items()):
            table.insert(place, name, value)
        compared.append(table)
    tables.write_frame(output, pd.concat(compared, ignore_index=True), origin)
