"""Stage: every attack's score for every target and every sample of the audit pool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ptq_privacy.attacks import confidence, lira, rmia, scores
from ptq_privacy.data.origin import Origin


def score_targets(
    target_logits: Sequence[str | Path],
    shadow_logits: Sequence[str | Path],
    output: str | Path,
    targets: int,
    models: int,
    lira_reference: bool,
    rmia_gamma: float,
    rmia_a: float,
    origin: Origin,
) -> None:
    """Attack models 0..targets-1 with the rest of a pool of `models`, and write the scores.

    Args:
        target_logits: shards that hold the targets at their precision.
        shadow_logits: shards of the whole pool, at the precision the adversary keeps it at.
        lira_reference: compute LiRA by the public implementations' formulas.
        rmia_gamma, rmia_a: parameters of RMIA.

    Raises:
        ValueError: the two sets of shards disagree about the samples or about who is a member.
    """
    attacked = confidence.read_phi(target_logits, range(targets))
    pool = confidence.read_phi(shadow_logits, range(models))
    same = np.array_equal(attacked.label, pool.label) and np.array_equal(
        attacked.member, pool.member[:targets]
    )
    if not same:
        raise ValueError(
            f"{target_logits[0]} and {shadow_logits[0]} disagree about samples or members; "
            "remove the older of the two"
        )
    known = attacked.phi, pool.phi, pool.member, range(targets)
    columns = lira.scores(*known, reference=lira_reference)
    columns |= rmia.scores(*known, gamma=rmia_gamma, a=rmia_a)
    scores.write(output, attacked.models, attacked.label, attacked.member, columns, origin)
