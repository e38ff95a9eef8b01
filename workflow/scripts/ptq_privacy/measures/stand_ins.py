"""Shadow models attacked as if they were the target: what an attacker can try out beforehand.

For a target, each other model of the pool is attacked by the pool without its own pair and without
the target's, so that nothing of the target enters. That takes one attack on the pool for each pair
of targets. Each stand-in has one pair of shadow models fewer than the target has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ptq_privacy.attacks import score
from ptq_privacy.attacks.evidence import Evidence

LEAST_MODELS = 6  # the target's pair, the pair attacked in its stead, one pair of shadow models


def attacked(
    pool_phi: np.ndarray,
    member: np.ndarray,
    targets: Sequence[int],
    attacks: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[str] | None = None,
) -> Iterator[tuple[int, np.ndarray, dict[str, np.ndarray]]]:
    """Attack the stand-ins of each pair of targets.

    Args:
        pool_phi: [models, samples, queries], the shadow models as the adversary keeps them.
        member: bool [models, samples], of complementary pairs.
        targets: model numbers.
        attacks: their settings by name.
        wanted: names of scores; all that the attacks give if None.

    Yields:
        A pair's number, ascending; which samples its stand-ins were trained on, bool
        [models - 2, samples]; and by name their scores, float64 [models - 2, samples].

    Raises:
        ValueError: fewer than `LEAST_MODELS` models.
    """
    models = len(pool_phi)
    if models < LEAST_MODELS:
        raise ValueError(
            f"pool.shadow_models: {models - 2} cannot stand in for the target; allowed: at least "
            f"{LEAST_MODELS - 2}, a pair to attack and a pair to attack it with"
        )
    for pair in sorted({target // 2 for target in targets}):
        others = np.flatnonzero(np.arange(models) // 2 != pair)
        phi, inside = pool_phi[others], member[others]
        evidence = Evidence.of(phi, phi, inside, range(len(others)))
        yield pair, inside, score(attacks, evidence, wanted)
