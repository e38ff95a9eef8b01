"""Shadow models attacked as if they were the target: what an attacker can try out beforehand.

For a target, each other model of the pool is attacked by the pool without its own pair and without
the target's, so that nothing of the target enters. That takes one attack on the pool for each pair
of targets. Each stand-in has one pair of shadow models fewer than the target has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from . import lira, rmia

LEAST_MODELS = 6  # the target's pair, the pair attacked in its stead, one pair of shadow models


@dataclass(frozen=True)
class Settings:
    """Parameters of the attacks, as in `lira.scores` and `rmia.scores`."""

    lira_reference: bool
    rmia_gamma: float
    rmia_a: float


def attacked(
    pool_phi: np.ndarray,
    member: np.ndarray,
    targets: Sequence[int],
    settings: Settings,
    attacks: Sequence[str] = (*lira.ATTACKS, *rmia.ATTACKS),
) -> Iterator[tuple[int, np.ndarray, dict[str, np.ndarray]]]:
    """Attack the stand-ins of each pair of targets.

    Args:
        pool_phi: [models, samples, queries], the shadow models as the adversary keeps them.
        member: bool [models, samples], of complementary pairs.
        targets: model numbers.
        attacks: those wanted.

    Yields:
        A pair's number, ascending; which samples its stand-ins were trained on, bool
        [models - 2, samples]; and by attack their scores, float64 [models - 2, samples].

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
        known = phi, phi, inside, range(len(others))
        scores: dict[str, np.ndarray] = {}
        if set(attacks) & set(lira.ATTACKS):
            scores |= lira.scores(*known, reference=settings.lira_reference)
        if set(attacks) & set(rmia.ATTACKS):
            scores |= rmia.scores(*known, gamma=settings.rmia_gamma, a=settings.rmia_a)
        yield pair, inside, {attack: scores[attack] for attack in attacks}
