"""Stage: thresholds that an attacker can calibrate, and what they give on the targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ptq_privacy.attacks import confidence, thresholds
from ptq_privacy.attacks import scores as score_files
from ptq_privacy.attacks.stand_ins import Settings
from ptq_privacy.data import tables
from ptq_privacy.data.origin import Origin


def calibrate_thresholds(
    scores: str | Path,
    shadow_logits: Sequence[str | Path],
    output: str | Path,
    targets: int,
    models: int,
    lira_reference: bool,
    rmia_gamma: float,
    rmia_a: float,
    seed: int,
    replicates: int,
    origin: Origin | None = None,
) -> None:
    """Write `thresholds.evaluate` of the thresholds that a pool of `models` gives for a score file.

    Raises:
        ValueError: the scores and the logits disagree about who is a member.
    """
    known = score_files.read(scores)
    pool = confidence.read_phi(shadow_logits, range(models))
    if not np.array_equal(known.member, pool.member[:targets]):
        raise ValueError(f"{scores} and {shadow_logits[0]} disagree about members; remove both")
    settings = Settings(lira_reference, rmia_gamma, rmia_a)
    found = thresholds.calibrate(pool.phi, pool.member, range(targets), settings)
    tables.write_frame(output, thresholds.evaluate(known, found, seed, replicates), origin)
