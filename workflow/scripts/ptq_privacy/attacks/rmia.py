"""RMIA, the robust membership inference attack of Zarifzadeh et al. (2024).

Where LiRA fits distributions and so needs many shadow models, RMIA only averages them: it asks how
much likelier the target finds a sample than models in general do, and how many other samples fare
worse by that measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .pool import checked, in_and_out, require_pairs, sample_blocks, sums_without_each

ATTACKS = ("rmia_online", "rmia_offline")


def scores(
    target_phi: ArrayLike,
    shadow_phi: ArrayLike,
    member: ArrayLike,
    targets: Sequence[int],
    gamma: float = 2.0,
    a: float = 0.3,
) -> dict[str, np.ndarray]:
    """Score every sample for every target with RMIA, averaged over queries.

    With p = sigmoid(phi), the probability of the true class, theta the target and its shadow
    models the pool without its pair, the score of sample x is the share of samples z with

        LR(x, z) = [p(x|theta) / p(x)] / [p(z|theta) / p(z)] >= gamma

        online      p(x) = (p_in + p_out) / 2, the means over shadow models trained on x and not
        offline     p(x) = ((1 + a) p_out + (1 - a)) / 2

    and p(z) likewise. The samples z are all the others of the audit pool, members of the target or
    not: the attacker cannot tell. Which they are hardly matters, since within a target the score
    rises with the ratio of x alone and z only sets where. One sort of a target's ratios answers
    for all pairs (x, z): log(samples) steps a score and no memory beyond the ratios.

    Args:
        target_phi: [T, samples, queries], at least two samples.
        shadow_phi: [P, samples, queries].
        member: bool [P, samples], of complementary pairs.
        targets: T model numbers of the pool; each one's own pair is left out.
        gamma: how much likelier than z a sample must be, above 0. 2 in the paper.
        a: 0 to 1, how p(x) is had from p_out alone: at 1 it is p_out. 0.3 in the paper for
            CIFAR-10, 0.6 for CIFAR-100.

    Returns:
        A float64 [T, samples] an attack, 0 to 1, higher = more likely a member.

    Raises:
        ValueError: names the argument whose shape, type or values are wrong, or the pair that is
            not complementary.
    """
    attacked, pool, inside = checked(target_phi, shadow_phi, member, targets)
    require_pairs(inside)
    if not (gamma > 0 and np.isfinite(gamma)):
        raise ValueError(f"gamma: {gamma} is not above 0")
    if not 0 <= a <= 1:
        raise ValueError(f"a: {a} is not between 0 and 1")
    samples, queries = pool.shape[1:]
    if samples < 2:
        raise ValueError("shadow_phi: RMIA compares samples, and there is only one")
    found = {attack: np.zeros((len(targets), samples)) for attack in ATTACKS}
    for query in range(queries):
        for attack, ratios in _log_ratios(attacked, pool, inside, targets, query, a).items():
            for row, ratio in enumerate(ratios):
                found[attack][row] += _share_below(ratio, np.log(gamma)) / queries
    return found


def _log_ratios(
    attacked: np.ndarray,
    pool: np.ndarray,
    member: np.ndarray,
    targets: Sequence[int],
    query: int,
    a: float,
) -> dict[str, np.ndarray]:
    """log p(x|theta) - log p(x) of one query, float64 [T, samples] an attack."""
    found = {attack: np.empty(attacked.shape[:2]) for attack in ATTACKS}
    pair_of = np.asarray(targets) // 2
    left = len(pool) // 2 - 1
    for block in sample_blocks(pool.shape[1]):
        p_in, p_out = (
            sums_without_each(expit(values)) / left
            for values in in_and_out(pool, member, block, query)
        )
        log_p = -np.logaddexp(0, -attacked[:, block, query])  # of the target, exact near 1 and 0
        smallest = np.finfo(np.float64).tiny  # below it p_in and p_out have no digits left
        online = np.maximum((p_in + p_out) / 2, smallest)
        offline = np.maximum(((1 + a) * p_out + (1 - a)) / 2, smallest)
        found["rmia_online"][:, block] = log_p - np.log(online)[pair_of]
        found["rmia_offline"][:, block] = log_p - np.log(offline)[pair_of]
    return found


def _share_below(ratio: np.ndarray, margin: float) -> np.ndarray:
    """The share of the other samples whose ratio is lower by at least `margin`: [samples]."""
    order = np.argsort(ratio)
    count = np.empty(len(ratio))
    count[order] = np.searchsorted(ratio[order], ratio[order] - margin, side="right")
    itself = 1 if margin <= 0 else 0
    return (count - itself) / (len(ratio) - 1)
