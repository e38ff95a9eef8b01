"""RMIA, the robust membership inference attack of Zarifzadeh et al. (2024).

Where LiRA fits distributions and so needs many shadow models, RMIA only averages them: it asks how
much likelier the target finds a sample than models in general do, and how many other samples fare
worse by that measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from ptq_privacy.attacks import sides, stand_ins
from ptq_privacy.attacks.evidence import Evidence

GAMMA, A = 2.0, 0.3  # the paper's, and what is taken where nothing can be tuned
GAMMAS = (GAMMA, 1.0, 1.25)
AS = (A, 0.0, 0.15, 0.6, 1.0)
TUNING_FOLDS = 4
TUNING_MODELS = 12  # stand-ins of a fold that are looked at


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score every sample for every target with RMIA, averaged over queries.

    As in the paper's section 3, with its direct estimate of p(x), the mean over shadow models: with
    p = sigmoid(phi), the probability of the true class, and theta the target, the score of sample x
    is the share of samples z with

        LR(x, z) = [p(x|theta) / p(x)] / [p(z|theta) / p(z)] >= gamma

        online      p(x) = (p_in + p_out) / 2, the means over shadow models trained on x and not
        offline     p(x) = ((1 + a) p_out + (1 - a)) / 2

    and p(z) likewise; offline, p_in is taken to be a p_out + 1 - a (appendix B.2.2). The samples z
    are all the others of the audit pool, members of the target or not: the attacker cannot tell.

    Within a target and a query the share rises with x's own ratio p(x|theta) / p(x), but in steps:
    at gamma 2 most samples of a confident network share a single one, and which thresholds there
    are is then an accident. So equal scores are ordered by the ratio: the rank of its logarithm's
    mean over queries among the target's samples is added, so much reduced that it decides between
    equal shares alone. Only equal ratios still tie. One sort of a target's ratios answers for all
    pairs (x, z): log(samples) steps a score and no memory beyond the ratios.

    Args:
        evidence: of any membership, at least two samples.
        settings: `gamma`: how much likelier than z a sample must be, above 0. 2 in the paper.
            `a`: 0 to 1, how p(x) is had from p_out alone: at 1 it is p_out. 0.3 in the paper for
            CIFAR-10, 0.6 for CIFAR-100. Each may be `tuned`: what does best on stand-ins of the
            target, out of `GAMMAS` and `AS`; where too few shadow models can stand in, the paper's.

    Returns:
        A float64 [T, samples] a score, 0 to 1 and 1 / (samples - 1) more at most, higher = more
        likely a member.

    Raises:
        ValueError: names the setting that is out of range, or one sample only.
    """
    gamma, a = settings["gamma"], settings["a"]
    if gamma != "tuned" and not (gamma > 0 and np.isfinite(gamma)):
        raise ValueError(f"gamma: {gamma} is not above 0")
    if a != "tuned" and not 0 <= a <= 1:
        raise ValueError(f"a: {a} is not between 0 and 1")
    targets, samples, _ = evidence.attacked.shape
    if samples < 2:
        raise ValueError("evidence: RMIA compares samples, and there is only one")
    gammas = np.full(targets, GAMMA if gamma == "tuned" else gamma, np.float64)
    extrapolations = np.full(targets, A if a == "tuned" else a, np.float64)
    if "tuned" in (gamma, a) and stand_ins.can_stand_in(evidence):
        for rows, theirs in stand_ins.folds(evidence, TUNING_FOLDS, TUNING_MODELS):
            gammas[rows], extrapolations[rows] = _tuned(theirs, gamma, a)
    seen = _seen(evidence)
    return {
        "rmia_online": _scores(seen, gammas),
        "rmia_offline": _scores(seen, gammas, extrapolations),
    }


def _tuned(evidence: Evidence, gamma: float | str, a: float | str) -> tuple[float, float]:
    """The settings that find most in stand-ins: gamma online, and with it `a` offline.

    With one query gamma decides about no order, and stays the paper's.
    """
    seen, member = _seen(evidence), evidence.member[list(evidence.targets)]
    alike = np.ones(len(member))
    if gamma == "tuned":
        tried = GAMMAS if evidence.attacked.shape[2] > 1 else (GAMMA,)
        found = [stand_ins.worth(member, _scores(seen, each * alike)) for each in tried]
        gamma = tried[int(np.argmax(found))]
    if a == "tuned":
        found = [
            stand_ins.worth(member, _scores(seen, float(gamma) * alike, each * alike))
            for each in AS
        ]
        a = AS[int(np.argmax(found))]
    return float(gamma), float(a)


@dataclass(frozen=True)
class _Seen:
    """What some targets and their shadow models make of each sample, all scores' source."""

    log_p: np.ndarray  # [queries, targets, samples]
    p_in: np.ndarray  # [queries, rows, samples]
    p_out: np.ndarray  # [queries, rows, samples]
    row_of: np.ndarray  # int [targets]


def _seen(evidence: Evidence) -> _Seen:
    row_of, attacked = sides.rows(evidence), evidence.attacked
    count, samples, queries = attacked.shape
    log_p = np.empty((queries, count, samples))
    p_in, p_out = np.empty((2, queries, row_of.max() + 1, samples))
    for block, query, both in sides.means(evidence, expit):
        p_in[query][:, block], p_out[query][:, block] = both
        log_p[query][:, block] = -np.logaddexp(0, -attacked[:, block, query])  # exact near 0, 1
    return _Seen(log_p, p_in, p_out, row_of)


def _scores(seen: _Seen, gammas: np.ndarray, a: np.ndarray | None = None) -> np.ndarray:
    """[targets, samples], at each target's gamma; offline at its `a`, where that is given."""
    queries, targets, samples = seen.log_p.shape
    smallest = np.finfo(np.float64).tiny  # below it p_in and p_out have no digits left
    found = np.empty((targets, samples))
    for target, row in enumerate(seen.row_of):
        if a is None:
            p = (seen.p_in[:, row] + seen.p_out[:, row]) / 2
        else:
            p = ((1 + a[target]) * seen.p_out[:, row] + (1 - a[target])) / 2
        ratios = seen.log_p[:, target] - np.log(np.maximum(p, smallest))
        shares = sum(_lower(ratio, np.log(gammas[target])) for ratio in ratios)
        rank = _lower(ratios.sum(axis=0), None) / samples
        found[target] = (shares + rank) / (queries * (samples - 1))
    return found


def _lower(ratio: np.ndarray, margin: float | None) -> np.ndarray:
    """How many other samples have a ratio lower by at least `margin`, or at all: [samples]."""
    order = np.argsort(ratio)
    ascending = ratio[order]
    count = np.empty(len(ratio))
    if margin is None:
        count[order] = np.searchsorted(ascending, ascending, side="left")
        return count
    count[order] = np.searchsorted(ascending, ascending - margin, side="right")
    return count - 1 if margin <= 0 else count
