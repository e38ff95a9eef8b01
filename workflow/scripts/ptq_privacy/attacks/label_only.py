"""Label-only: how many of a sample's views the target answers right (Choquette-Choo et al. 2021).

The attacker sees decisions and no confidences, so what masks confidence does not stop him: a
network is right about more views of what it was trained on. How many is many depends on the
sample, and shadow models tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import betaln

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence

MOST_STRENGTH, LEAST_STRENGTH = 1e4, 1e-2  # of a prior, in answers


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score every sample for every target by a likelihood ratio of its right answers, in over out.

    For each target and sample, of which K shadow models a side answered R of K n views right and
    the target r of n:

        prior    on each side, a sample's rate of right answers is Beta(a, b) over samples, which
                 the shadow models' rates tell by their mean and their variance: `_prior`
        score    log BetaBinomial(r of n; a + R, b + K n - R), in less out

    A model's answers to several views of a sample go together, so they count as fewer: every number
    above is divided by how much more they scatter from model to model than independent ones would:
    `_inflation`. With one view this is the attack on the gap between the accuracies on members and
    on others (Yeom et al. 2018), with a gap for each sample.

    There are only so many counts, so many samples have equal scores, which no threshold parts.

    Args:
        evidence: of any membership, with correctness.
        settings: none.

    Returns:
        A float64 [T, samples], higher = more likely a member.

    Raises:
        ValueError: the evidence does not say which answers were right.
    """
    if not evidence.target_correct or not evidence.pool_correct:
        raise ValueError("evidence: label_only needs target_correct and pool_correct")
    views = next(iter(evidence.target_correct.values())).shape[2]
    right = next(iter(evidence.target_correct.values())).sum(axis=2)
    shadow = next(iter(evidence.pool_correct.values()))[:, 0].sum(axis=2, dtype=np.float64)
    count, total, variance = _moments(evidence, shadow)
    row_of = sides.rows(evidence)
    found = np.zeros(right.shape)
    for row in range(row_of.max() + 1):
        own = row_of == row
        inflation = _inflation(count[:, row], total[:, row], variance[:, row], views)
        yes, of = right[own] / inflation, views / inflation
        for side, sign in ((0, 1), (1, -1)):
            known, trials = total[side, row] / inflation, of * count[side, row]
            a, b = _prior(known, trials)
            a, b = a + known, b + trials - known
            found[own] += sign * (betaln(a + yes, b + of - yes) - betaln(a, b))
    return {"label_only": found}


def _moments(evidence: Evidence, shadow: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shadow models a side, the sum of their numbers of right answers [models, samples], and its
    variance among them: [2, rows, samples] each. The variance is unbiased, 0 of one model."""
    count, total, variance = np.empty((3, 2, sides.rows(evidence).max() + 1, shadow.shape[1]))
    for block, _, both in sides.fits(evidence, shadow[..., None]):
        for side, fit in enumerate(both):
            count[side][:, block] = fit.count
            # Whole numbers, so that samples with the same counts have the same score, to the bit.
            total[side][:, block] = np.rint(fit.count * (fit.median + fit.mean))
            unbiased = fit.count / np.maximum(np.asarray(fit.count) - 1, 1)
            variance[side][:, block] = unbiased * np.maximum(fit.square - fit.mean**2, 0)
    return count, total, variance


def _inflation(count: np.ndarray, total: np.ndarray, variance: np.ndarray, views: int) -> float:
    """By how much a model's number of right views scatters more than independent ones': 1 to n.

    Of arrays [2, samples]. Independent views of a sample that models answer right at a rate p
    scatter by n p (1 - p), and p (1 - p) is had without bias from views of different models. One
    model a side tells nothing of it: then all views count as one.
    """
    several = count > 1
    if not several.any():
        return float(views)
    count, variance = count[several], variance[several]
    rate = total[several] / (count * views)
    independent = views * (rate * (1 - rate) + variance / (count * views**2)).sum()
    return float(np.clip(variance.sum() / independent, 1, views)) if independent > 0 else 1.0


def _prior(known: np.ndarray, trials: np.ndarray) -> tuple[float, float]:
    """The Beta distribution of samples' rates, from `known` right answers of `trials` [samples].

    Rates scatter around their mean m by m (1 - m) (1 / trials + (1 - 1 / trials) / (a + b + 1)). A
    single answer a sample does not tell the two apart; the prior then counts as one answer.
    """
    mean = (known.sum() + 0.5) / (trials.sum() + 1)  # within 0 and 1 where all answers are alike
    scatter = ((known / trials - mean) ** 2).sum() / (mean * (1 - mean))
    left = (1 - 1 / trials).sum()
    strength = 1.0
    if left > 0:
        share = (scatter - (1 / trials).sum()) / left
        strength = 1 / share - 1 if share > 0 else MOST_STRENGTH
        strength = float(np.clip(strength, LEAST_STRENGTH, MOST_STRENGTH))
    return strength * mean, strength * (1 - mean)
