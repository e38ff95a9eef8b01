"""Stage: do the samples that calibrated a model leak more than its other members?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ptq_privacy.answers import recorded
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import calibration_leak


def compare_calibration(
    scores: Sequence[str | Path],
    logits: Sequence[str | Path],
    output: str | Path,
    cells: Sequence[Mapping[str, str]],
    variants: Sequence[str],
    attack: str,
    targets: int,
    calibration_samples: int,
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write `calibration_leak.compare` of each cell and `compare_changes` of each variant.

    Which members calibrated a target is drawn again, as when it was quantized. A change takes the
    target at both variants, so its rows name the adversary `both` and the attack `change`.

    Args:
        scores: a file for each cell, a quantized variant and an adversary.
        logits: as many shards for each of `variants` as hold the targets; the first is `full`.

    Raises:
        ValueError: names the file whose members are not those of the others.
    """
    shards = len(logits) // len(variants)
    full = recorded.read(logits[:shards], range(targets))
    calibrated = np.zeros_like(full.member)
    for target, member in enumerate(full.member):
        calibrated[target, calibration_set(member, calibration_samples, seed, target)] = True
    weight = calibration_leak.weights(full.member, calibrated, seed)
    compared = []

    def add(table: pd.DataFrame, **known: str) -> None:
        for place, (name, value) in enumerate(known.items()):
            table.insert(place, name, value)
        compared.append(table)

    for cell, path in zip(cells, scores, strict=True):
        known = score_files.read(path)
        _check(path, known.member, full.member)
        table = calibration_leak.compare(full.member, calibrated, known.attacks[attack], weight)
        add(table, attack=attack, **cell)
    for place, variant in enumerate(variants[1:], start=1):
        paths = logits[place * shards :][:shards]
        own = recorded.read(paths, range(targets))
        _check(paths[0], own.member, full.member)
        change = np.abs(own.phi - full.phi).mean(axis=2)
        table = calibration_leak.compare_changes(full.member, calibrated, change, weight, seed)
        add(table, attack="change", variant=variant, adversary="both")
    tables.write_frame(output, pd.concat(compared, ignore_index=True), origin)


def _check(path: str | Path, member: np.ndarray, expected: np.ndarray) -> None:
    if not np.array_equal(member, expected):
        raise ValueError(f"{path}: its members are not those at full precision; remove the older")
