"""Stage: thresholds that an attacker can calibrate, and what they give on the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.attacks import confidence, thresholds
from ptq_privacy.attacks import scores as score_files
from ptq_privacy.attacks.stand_ins import Settings
from ptq_privacy.data import tables
from ptq_privacy.data.origin import Origin


def calibrate_thresholds(
    scores: Sequence[str | Path],
    logits: Mapping[str, Sequence[str | Path]],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    targets: int,
    models: int,
    lira_reference: bool,
    rmia_gamma: float,
    rmia_a: float,
    seed: int,
    replicates: int,
    origin: Origin | None = None,
) -> None:
    """Write `thresholds.evaluate` of the thresholds that a pool of `models` gives, cell by cell.

    Args:
        scores: a file for each cell, a precision and an adversary.
        logits: shards of the whole pool by the precision that an adversary keeps it at.

    Raises:
        ValueError: scores and logits disagree about who is a member.
    """
    settings = Settings(lira_reference, rmia_gamma, rmia_a)
    calibrated: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
    found = []
    for cell, path in zip(cells, scores, strict=True):
        kept_at = "full" if cell["adversary"] == "transfer" else cell["precision"]
        if kept_at not in calibrated:
            pool = confidence.read_phi(logits[kept_at], range(models))
            limits = thresholds.calibrate(pool.phi, pool.member, range(targets), settings)
            calibrated[kept_at] = pool.member[:targets], limits
        member, limits = calibrated[kept_at]
        known = score_files.read(path)
        if not np.array_equal(known.member, member):
            raise ValueError(f"{path} and {logits[kept_at][0]} disagree about members; remove both")
        table = thresholds.evaluate(known, limits, seed, replicates)
        for place, (name, value) in enumerate(cell.items()):
            table.insert(place, name, value)
        found.append(table)
    tables.write_frame(output, pd.concat(found, ignore_index=True), origin)
