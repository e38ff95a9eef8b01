"""How well an attack's scores tell members from non-members.

Every metric is a function of the whole ROC: one vertex a distinct score, none dropped. An ROC can
be weighted, a sample counting as if it were there several times (or not at all), for many weight
vectors at once: the plain metrics and the resampled ones of `leakage` go through the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FPRS = (0.001, 0.01)  # the false-positive rates at which the study looks
LOWEST = {"log_auc_loglog": 1e-5, "log_auc_semilog": 1e-3}
"""Where logarithmic axes begin if the non-members resolve so low a rate; see `lowest`."""


@dataclass(frozen=True)
class Ranking:
    """Samples from the highest score to the lowest."""

    order: np.ndarray  # int [samples]
    member: np.ndarray  # bool [samples], in that order
    last: np.ndarray  # int [distinct scores]: where the samples of each score end


def rank(member: ArrayLike, score: ArrayLike) -> Ranking:
    """Sort samples for `curve`.

    Args:
        member: bool [samples].
        score: [samples], higher = more likely a member; may be infinite.

    Raises:
        ValueError: shapes that differ, NaN among the scores, no member or no non-member.
    """
    inside, value = np.asarray(member), np.asarray(score, dtype=np.float64)
    if inside.dtype != np.bool_ or inside.ndim != 1 or inside.shape != value.shape:
        raise ValueError(
            f"member is {inside.dtype} {inside.shape}, score has shape {value.shape}; "
            "expected bool [samples] and [samples]"
        )
    if np.isnan(value).any():
        raise ValueError("score: NaN is no score (infinities are allowed)")
    if inside.all() or not inside.any():
        raise ValueError("member: an ROC needs at least one member and one non-member")
    order = np.argsort(value)[::-1]
    value = value[order]
    last = np.flatnonzero(np.append(value[1:] != value[:-1], True))
    return Ranking(order=order, member=inside[order], last=last)


def curve(ranking: Ranking, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The ROC's vertices from (0, 0) to (1, 1), the strictest threshold first.

    Args:
        weight: [..., samples], how often each sample counts; once each if left out. Members and
            non-members must each weigh something. Whole numbers take half the time as int32.

    Returns:
        False- and true-positive rates, each float64 [..., distinct scores + 1].
    """
    if weight is None:
        weight = np.ones(len(ranking.order), np.int32)
    weight = weight.take(ranking.order, axis=-1)
    rates = []
    inside = weight * ranking.member
    for counted in (weight - inside, inside):
        total = counted.cumsum(axis=-1, dtype=counted.dtype)
        rate = np.zeros((*weight.shape[:-1], len(ranking.last) + 1))
        np.divide(total.take(ranking.last, axis=-1), total[..., -1:], out=rate[..., 1:])
        rates.append(rate)
    return rates[0], rates[1]


def corners(ranking: Ranking) -> Ranking:
    """The same samples with fewer vertices: of those on one upright or level line the last.

    No metric of `METRICS` changes, whatever the weights, and half the vertices take half the time.
    """
    first = np.append(0, ranking.last[:-1] + 1)
    inside = np.add.reduceat(ranking.member.astype(np.int64), first)
    # Of each score's samples: members alone, non-members alone, or both.
    kind = np.where(inside == 0, 0, np.where(inside == ranking.last - first + 1, 1, 2))
    turns = np.append((kind[1:] != kind[:-1]) | (kind[1:] == 2), True)
    return Ranking(ranking.order, ranking.member, ranking.last[turns])


def lowest(metric: str, nonmembers: int) -> float | None:
    """Where a logarithmic area's axes begin: no lower than one non-member; None for other metrics.

    Below one false positive an ROC says nothing, so an area that went on there would be a guess,
    and not to be compared between data sets.
    """
    return max(LOWEST[metric], 1 / nonmembers) if metric in LOWEST else None


def _within(fpr: np.ndarray, limit: float) -> np.ndarray:
    return fpr <= limit * (1 + 1e-9)  # k/n may round to just above the limit that it equals


def _tpr_at(fpr: np.ndarray, tpr: np.ndarray, limit: float) -> np.ndarray:
    return np.where(_within(fpr, limit), tpr, 0).max(axis=-1)


def _auc(fpr: np.ndarray, tpr: np.ndarray, nonmembers: int = 0) -> np.ndarray:
    return _trapezoid(fpr, tpr)


def _balanced_accuracy(fpr: np.ndarray, tpr: np.ndarray, nonmembers: int = 0) -> np.ndarray:
    return (1 + (tpr - fpr).max(axis=-1)) / 2


def _log_auc_loglog(fpr: np.ndarray, tpr: np.ndarray, nonmembers: int) -> np.ndarray:
    start = lowest("log_auc_loglog", nonmembers) or 0
    if start >= 1:  # a single non-member resolves no rate but 1
        return tpr[..., -1]
    x, y = (1 - np.log(np.maximum(rate, start)) / np.log(start) for rate in (fpr, tpr))
    return _trapezoid(x, y)


def _log_auc_semilog(fpr: np.ndarray, tpr: np.ndarray, nonmembers: int) -> np.ndarray:
    """Over a segment TPR = a + b FPR, so its integral over log FPR is a log FPR + b FPR."""
    start = lowest("log_auc_semilog", nonmembers) or 0
    if start >= 1:
        return tpr[..., -1]
    width, rise = np.diff(fpr, axis=-1), np.diff(tpr, axis=-1)
    slope = rise / np.where(width > 0, width, 1)  # a vertical segment has no area whatever its b
    intercept = tpr[..., 1:] - slope * fpr[..., 1:]
    seen = np.maximum(fpr, start)
    area = intercept * np.diff(np.log(seen), axis=-1) + slope * np.diff(seen, axis=-1)
    return area.sum(axis=-1) / -np.log(start)


def _trapezoid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.diff(x, axis=-1) * (y[..., 1:] + y[..., :-1])).sum(axis=-1) / 2


# What the summary reports, each from fpr and tpr [..., vertices] and the number of non-members
# that the ROC was made of to [...].
METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "tpr_at_fpr_0.001": lambda fpr, tpr, nonmembers: _tpr_at(fpr, tpr, 0.001),
    "tpr_at_fpr_0.01": lambda fpr, tpr, nonmembers: _tpr_at(fpr, tpr, 0.01),
    "auc": _auc,
    "balanced_accuracy": _balanced_accuracy,
    "log_auc_loglog": _log_auc_loglog,
    "log_auc_semilog": _log_auc_semilog,
}


def chance(metric: str, members: int, nonmembers: int) -> float:
    """What an attack that knows nothing reaches on average, with distinct scores.

    TPR at an FPR: of n non-members at most k = floor(n FPR) may be accused, so the threshold lies
    above the (k + 1)-th highest of them, and a member's score is above that one in k + 1 of n + 1
    cases. Semi-log area: the same rate at every k. Balanced accuracy: the mean of the Kolmogorov
    and Smirnov statistic, to first order. Log-log area: the diagonal's, with as many members as
    non-members.
    """
    if (limit := fpr_of(metric)) is not None:
        return (int(nonmembers * limit * (1 + 1e-9)) + 1) / (nonmembers + 1)
    if metric == "balanced_accuracy":
        return float(0.5 + np.sqrt(np.pi / 8 * (1 / members + 1 / nonmembers)) / 2)
    start = lowest(metric, nonmembers)
    if metric == "log_auc_semilog" and start is not None and start < 1:
        ends = np.maximum(np.arange(nonmembers + 1) / nonmembers, start)
        rate = np.arange(1, nonmembers + 1) / (nonmembers + 1)
        return float((rate * np.diff(np.log(ends))).sum() / -np.log(start))
    return 0.5


def roc(member: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates [distinct scores + 1], from (0, 0) to (1, 1).

    A sample is called a member where its score reaches the threshold. Equal scores, which no
    threshold can part, are one vertex; no vertex is dropped.

    Args:
        member: bool [samples].
        score: [samples], higher = more likely a member; may be infinite.

    Raises:
        ValueError: shapes that differ, NaN among the scores, no member or no non-member.
            (So do all functions below.)
    """
    return curve(rank(member, score))


def tpr_at_fpr(member: ArrayLike, score: ArrayLike, fpr: float) -> float:
    """The largest TPR of the ROC's vertices whose FPR is at most `fpr`."""
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr: {fpr} is not between 0 and 1")
    return float(_tpr_at(*roc(member, score), fpr))


def called_at_fpr(member: ArrayLike, score: ArrayLike, fpr: float) -> np.ndarray:
    """Bool [samples]: who is called a member at the threshold whose TPR is `tpr_at_fpr`.

    Of thresholds with equal FPR the lowest; nobody is called where even the highest score is that
    of too many non-members.
    """
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr: {fpr} is not between 0 and 1")
    ranking = rank(member, score)
    vertices = int(_within(curve(ranking)[0], fpr).sum())  # FPR ascends, so these are the first
    called = np.zeros(len(ranking.order), dtype=bool)
    if vertices > 1:
        called[ranking.order[: ranking.last[vertices - 2] + 1]] = True
    return called


def ties(score: ArrayLike) -> float:
    """The share of samples whose score another sample has too."""
    _, count = np.unique(np.asarray(score), return_counts=True)
    return float(count[count > 1].sum() / count.sum())


def fpr_of(metric: str) -> float | None:
    """The limit of a `tpr_at_fpr_...`; None for other metrics."""
    _, is_rate, limit = metric.partition("tpr_at_fpr_")
    return float(limit) if is_rate else None


def supports(nonmembers: int, metric: str) -> bool:
    """Whether so many non-members can resolve the FPR of a `tpr_at_fpr_...`; else True."""
    limit = fpr_of(metric)
    return limit is None or nonmembers * limit >= 1


def auc(member: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC: the chance that a member scores above a non-member. Chance level 0.5."""
    return float(_auc(*roc(member, score)))


def balanced_accuracy(member: ArrayLike, score: ArrayLike) -> float:
    """Mean of TPR and 1 - FPR at the best threshold. Chance level 0.5, or a little above."""
    return float(_balanced_accuracy(*roc(member, score)))


def log_auc_loglog(member: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC on log-log axes, rescaled to 0..1. Chance level 0.5.

    Both axes go from 1e-5, or one in the number of non-members if that is more, to 1; lower rates
    count as that. The trapezoid rule joins the vertices in log-log coordinates.
    """
    return float(_log_auc_loglog(*roc(member, score), _nonmembers(member)))


def log_auc_semilog(member: ArrayLike, score: ArrayLike) -> float:
    """TPR integrated over log FPR, divided by the axis' length. Chance level 0.145 or `chance`.

    The axis goes from 1e-3, or one in the number of non-members if that is more, to 1. Exact for
    the ROC as drawn on linear axes, straight from vertex to vertex.
    """
    return float(_log_auc_semilog(*roc(member, score), _nonmembers(member)))


def _nonmembers(member: ArrayLike) -> int:
    return int((~np.asarray(member)).sum())
