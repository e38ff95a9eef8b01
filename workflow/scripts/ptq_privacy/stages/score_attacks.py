"""Stage: every attack's scores for every target and every sample of the audit pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.answers import recorded
from ptq_privacy.attacks import score
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.files import scores
from ptq_privacy.files.origin import Origin


def score_attacks(
    target_logits: Sequence[str | Path],
    shadow_logits: Sequence[str | Path],
    output: str | Path,
    variants: tuple[str, str],
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
    origin: Origin,
) -> None:
    """Attack models 0..targets-1 with the rest of a pool of `models`, and write the scores.

    Args:
        target_logits: shards that hold the targets at their variant.
        shadow_logits: shards of the whole pool, at the variant the adversary keeps it at.
        variants: of the targets and of the shadow models.
        attacks: their settings by name.
        seed: of what an attack leaves out at random.

    Raises:
        ValueError: the two sets of shards disagree about the samples or about who is a member.
    """
    attacked = recorded.read(target_logits, range(targets))
    pool = recorded.read(shadow_logits, range(models))
    same = np.array_equal(attacked.label, pool.label) and np.array_equal(
        attacked.member, pool.member[:targets]
    )
    if not same:
        raise ValueError(
            f"{target_logits[0]} and {shadow_logits[0]} disagree about samples or members; "
            "remove the older of the two"
        )
    own, shadow = variants
    evidence = Evidence(
        targets=attacked.models,
        member=pool.member,
        target_phi={own: attacked.phi},
        pool_phi={shadow: pool.phi[:, None]},
        target_correct={own: attacked.correct},
        pool_correct={shadow: pool.correct[:, None]},
        seed=seed,
    )
    columns = score(attacks, evidence)
    scores.write(output, attacked.models, attacked.label, attacked.member, columns, origin)
