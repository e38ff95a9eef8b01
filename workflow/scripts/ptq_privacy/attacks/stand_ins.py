"""Shadow models attacked as if they were the target: what an attacker can try out beforehand.

For a target, the other models of the pool are attacked by the pool without their own pair and
without the target's, so that nothing of the target enters. The pool's pairs are taken in a few
folds and a fold's pairs left out together, which takes one attack on the pool for each fold, not
for each pair. In a pool without pairs, models take the place of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.evidence import Evidence

FOLDS = 8
LEAST = 3  # values a side: the target's, the stand-in's that is attacked, one to attack with

RATES = tuple(float(rate) for rate in np.geomspace(*metrics.FPRS, 5))
RESOLVED = 10  # non-members above a threshold, at least, for its TPR to be worth a look


def folds(
    evidence: Evidence, most: int = FOLDS, models: int | None = None
) -> Iterator[tuple[np.ndarray, Evidence]]:
    """The stand-ins of each fold that targets lie in; which others are attacked changes nothing.

    Args:
        most: folds, at most; more where a sample would be left with no value on a side.
        models: stand-ins of a fold, at most; all if None.

    Yields:
        Which targets of the evidence they stand in for, int; and the evidence of the stand-ins,
        models outside the fold, each of whom answered what the pool did in draw 0: at the targets'
        variants where the adversary has them of the pool, else at the one he has. Stand-ins
        have no others: what is tried on them is tried on themselves, in a single fold.

    Raises:
        ValueError: too few models.
    """
    if evidence.rehearsal:
        yield np.arange(len(evidence.targets)), evidence
        return
    pool = len(evidence.member)
    if not can_stand_in(evidence):
        raise ValueError(
            f"pool.shadow_models: {pool - 2} cannot stand in for the target; allowed: at least "
            f"{2 * LEAST - 2}, a pair to attack and a pair to attack it with"
        )
    unit = np.arange(pool) // (2 if evidence.paired else 1)
    units = unit[-1] + 1
    count = max(min(most, units), -(-units // (_fewest(evidence) - LEAST + 1)))
    for fold in np.array_split(np.arange(units), count):
        rows = np.flatnonzero(np.isin(unit[list(evidence.targets)], fold))
        if len(rows):
            others = np.flatnonzero(~np.isin(unit, fold))
            yield rows, _among_themselves(evidence, others, range(len(others))[:models])


def can_stand_in(evidence: Evidence) -> bool:
    """Whether the pool is large enough for `folds`."""
    return evidence.rehearsal or _fewest(evidence) >= LEAST


def _fewest(evidence: Evidence) -> int:
    """The fewest values that any sample has on a side, of the whole pool."""
    inside = evidence.member.sum(axis=0)
    return int(min(inside.min(), len(evidence.member) - inside.max()))


def _among_themselves(evidence: Evidence, models: np.ndarray, attacked: range) -> Evidence:
    """The evidence of a part of the pool, of which some are attacked by the others."""
    chosen = models[attacked]
    return Evidence(
        targets=tuple(attacked),
        member=evidence.member[models],
        target_phi=_as_targets(evidence.target_phi, evidence.pool_phi, chosen),
        pool_phi={variant: values[models] for variant, values in evidence.pool_phi.items()},
        target_correct=_as_targets(evidence.target_correct, evidence.pool_correct, chosen),
        pool_correct={variant: values[models] for variant, values in evidence.pool_correct.items()},
        seed=evidence.seed,
        rehearsal=True,
    )


def _as_targets(
    wanted: Mapping[str, np.ndarray], pool: Mapping[str, np.ndarray], models: np.ndarray
) -> dict[str, np.ndarray]:
    if not pool:
        return {}
    first = next(iter(pool))
    return {variant: pool[variant if variant in pool else first][models, 0] for variant in wanted}


def worth(member: np.ndarray, score: np.ndarray) -> float:
    """How much a score finds in stand-ins [models, samples]: to choose between scores.

    The mean logarithm of the TPR over FPRs from 0.1 to 1 %, of one ROC over all stand-ins, so that
    it is less noisy than any single one of them. FPRs that fewer than `RESOLVED` non-members make
    up do not count, and where that is all of them, the AUC takes their place.
    """
    inside, outside = score[member], score[~member]
    allowed = [int(rate * len(outside)) for rate in RATES if rate * len(outside) >= RESOLVED]
    if not allowed:
        return metrics.auc(member.ravel(), score.ravel())
    highest = np.sort(np.partition(outside, -allowed[-1] - 1)[-allowed[-1] - 1 :])[::-1]
    found = [(inside > highest[count]).mean() for count in allowed]
    return float(np.mean(np.log(np.asarray(found) + 0.5 / len(inside))))
