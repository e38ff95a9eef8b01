"""Stage: thresholds that an attacker can calibrate, and what they give on the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ptq_privacy.attacks.gathering import gather
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import thresholds
from ptq_privacy.study.adversaries import ADVERSARIES


def calibrate_thresholds(
    scores: Sequence[str | Path],
    logits: Mapping[str, Sequence[str | Path]],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write `thresholds.evaluate` of the thresholds that a pool of `models` gives, cell by cell.

    Args:
        scores: a file for each cell, a variant and an adversary.
        logits: as of `gather`, for all cells.
        attacks: their settings by name.

    Raises:
        ValueError: scores and logits disagree about who is a member.
    """
    calibrated: dict[tuple, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
    found = []
    for cell, path in zip(cells, scores, strict=True):
        variant, adversary = cell["variant"], cell["adversary"]
        pool = ADVERSARIES[adversary].of_pool(variant)
        # Where he has the pool at another variant only, all variants have the same stand-ins.
        asked = ADVERSARIES[adversary].of_targets(variant) if variant in pool else ()
        known = score_files.read(path)
        if (pool, asked) not in calibrated:
            evidence, attacked = gather(logits, variant, adversary, targets, models, seed)
            plain = [name for name in known.attacks if name not in known.chosen]
            candidates = {name for names in known.chosen.values() for name in names}
            limits = thresholds.calibrate(evidence, attacks, plain, candidates)
            calibrated[pool, asked] = attacked.member, limits
        member, limits = calibrated[pool, asked]
        limits = {**limits, **thresholds.of_chosen(limits, known.chosen)}
        if not np.array_equal(known.member, member):
            raise ValueError(f"{path} and {logits[variant][0]} disagree about members; remove both")
        asked_for = {name: limits[name] for name in known.attacks}
        table = thresholds.evaluate(known, asked_for, seed)
        for place, (name, value) in enumerate(cell.items()):
            table.insert(place, name, value)
        found.append(table)
    tables.write_frame(output, pd.concat(found, ignore_index=True), origin)
