"""Stage: every attack's scores for every target and every sample of the audit pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ptq_privacy.attacks import score
from ptq_privacy.attacks.gathering import gather
from ptq_privacy.files import scores
from ptq_privacy.files.origin import Origin


def score_attacks(
    logits: Mapping[str, Sequence[str | Path]],
    output: str | Path,
    variant: str,
    adversary: str,
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[str],
    seed: int,
    origin: Origin,
) -> None:
    """Attack models 0..targets-1 of a variant with the rest of a pool, and write the scores.

    Args:
        logits, models: as of `gather`.
        attacks: their settings by name.
        wanted: the scores to write.
        seed: of what an attack leaves out at random.

    Raises:
        ValueError: as of `gather`.
    """
    evidence, attacked = gather(logits, variant, adversary, targets, models, seed)
    chosen: dict[str, list[str]] = {}
    columns = score(attacks, evidence, wanted, chosen)
    known = attacked.models, attacked.label, attacked.member
    scores.write(output, *known, columns, origin, chosen)
