"""RMIA, the robust membership inference attack of Zarifzadeh et al. (2024).

Where LiRA fits distributions and so needs many shadow models, RMIA only averages them: it asks how
much likelier the target finds a sample than models in general do, and how many other samples fare
worse by that measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score every sample for every target with RMIA, averaged over queries.

    With p = sigmoid(phi), the probability of the true class, and theta the target, the score of
    sample x is the share of samples z with

        LR(x, z) = [p(x|theta) / p(x)] / [p(z|theta) / p(z)] >= gamma

        online      p(x) = (p_in + p_out) / 2, the means over shadow models trained on x and not
        offline     p(x) = ((1 + a) p_out + (1 - a)) / 2

    and p(z) likewise. The samples z are all the others of the audit pool, members of the target or
    not: the attacker cannot tell. Which they are hardly matters, since within a target the score
    rises with the ratio of x alone and z only sets where. One sort of a target's ratios answers
    for all pairs (x, z): log(samples) steps a score and no memory beyond the ratios.

    Args:
        evidence: of any membership, at least two samples.
        settings: `gamma`: how much likelier than z a sample must be, above 0. 2 in the paper.
            `a`: 0 to 1, how p(x) is had from p_out alone: at 1 it is p_out. 0.3 in the paper for
            CIFAR-10, 0.6 for CIFAR-100.

    Returns:
        A float64 [T, samples] a score, 0 to 1, higher = more likely a member.

    Raises:
        ValueError: names the setting that is out of range, or one sample only.
    """
    gamma, a = settings["gamma"], settings["a"]
    if not (gamma > 0 and np.isfinite(gamma)):
        raise ValueError(f"gamma: {gamma} is not above 0")
    if not 0 <= a <= 1:
        raise ValueError(f"a: {a} is not between 0 and 1")
    targets, samples, queries = evidence.attacked.shape
    if samples < 2:
        raise ValueError("evidence: RMIA compares samples, and there is only one")
    row_of = sides.rows(evidence)
    ratios = {score: np.empty((queries, targets, samples)) for score in ("online", "offline")}
    smallest = np.finfo(np.float64).tiny  # below it p_in and p_out have no digits left
    for block, query, (p_in, p_out) in sides.means(evidence, expit):
        log_p = -np.logaddexp(0, -evidence.attacked[:, block, query])  # exact near 1 and 0
        online = np.maximum((p_in + p_out) / 2, smallest)
        offline = np.maximum(((1 + a) * p_out + (1 - a)) / 2, smallest)
        ratios["online"][query][:, block] = log_p - np.log(online)[row_of]
        ratios["offline"][query][:, block] = log_p - np.log(offline)[row_of]
    found = {}
    for score, by_query in ratios.items():
        total = np.zeros((targets, samples))
        for of_targets in by_query:
            for row, ratio in enumerate(of_targets):
                total[row] += _share_below(ratio, np.log(gamma)) / queries
        found[f"rmia_{score}"] = total
    return found


def _share_below(ratio: np.ndarray, margin: float) -> np.ndarray:
    """The share of the other samples whose ratio is lower by at least `margin`: [samples]."""
    order = np.argsort(ratio)
    count = np.empty(len(ratio))
    count[order] = np.searchsorted(ratio[order], ratio[order] - margin, side="right")
    itself = 1 if margin <= 0 else 0
    return (count - itself) / (len(ratio) - 1)
