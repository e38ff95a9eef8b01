"""LiRA with moderated moments: each sample's own, drawn towards what samples like it have.

A likelihood ratio needs the mean and the variance of phi on either side for each sample, and a few
shadow models tell little of them; one variance for all is wrong too, since phi varies more where it
is extreme. Genomics has had the same trouble with a few arrays for each of thousands of genes, and
its remedy is an empirical-Bayes prior (Smyth 2004), with a trend in what is known of the gene (Law
et al. 2014). docs/methods.md derives what is computed here, and says what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence

LEAST_SHARE = 1e-5  # of the median variance: none counts as smaller when the prior is fitted
LEAST_SLOPE = 0.05  # of a target's answers on the level: their order is never turned over


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score every sample for every target by a likelihood ratio of Student's t, in over out.

    For each target, query and sample, with K values a side of mean m and unbiased variance s2,
    d = K - 1:

        variances   (d0 s02 + d s2) / (d0 + d) on each side, with a prior of d0 degrees of freedom
                    and a variance s02 that has a trend in the means: `_prior`
        effect      m_in - m_out is drawn towards its regression on the level (m_in + m_out) / 2:
                    what membership does to samples of this level
        target      where the shadow models are of another variant than the target, level, effect
                    and variances are carried over to it by the straight line that all its answers
                    follow on the level, members and others alike: `_carried`
        score       log t(phi; m, variance (1 + 1/K), d0 + d), in less out, averaged over queries

    An adversary who has shadow models at full precision beside the compressed ones takes the trend
    from them, and draws the compressed means towards their regression on the full ones first. One
    who has the targets at full precision too adds a second ratio: that of what compression
    changed, phi less its regression on phi at full precision.

    Args:
        evidence: of any membership. With several draws of a shadow model its values are their
            means, and its variances those of a single draw.
        settings: none.

    Returns:
        A float64 [T, samples], higher = more likely a member.
    """
    own, full = next(iter(evidence.pool_phi)), list(evidence.pool_phi)[-1]
    known = _moments(evidence, evidence.pool_phi[full])
    if own == full:
        return {"lira_moderated": _log_ratio(evidence, evidence.attacked, known, known)}
    if len(evidence.target_phi) == 1:
        moments = _moments(evidence, evidence.pool_phi[own])
        return {"lira_moderated": _log_ratio(evidence, evidence.attacked, moments, known)}
    attacked, pool = evidence.target_phi[full], evidence.pool_phi[full][:, :1]
    slope = _slope(evidence.member, pool[:, 0], evidence.pool_phi[own][:, 0])
    changed = _moments(evidence, evidence.pool_phi[own] - slope * pool)
    ratio = _log_ratio(evidence, attacked, known, known)
    ratio += _log_ratio(evidence, evidence.target_phi[own] - slope * attacked, changed, known)
    return {"lira_moderated": ratio}


@dataclass(frozen=True)
class _Moments:
    """Of the values on each side: the first axis is in, out."""

    count: np.ndarray  # [2, rows, samples]
    mean: np.ndarray  # [2, queries, rows, samples]
    variance: np.ndarray  # likewise, unbiased; 0 where there is one value


def _moments(evidence: Evidence, pool: np.ndarray) -> _Moments:
    """Of a pool's values [models, draws, samples, queries]."""
    _, draws, samples, queries = pool.shape
    rows = sides.rows(evidence).max() + 1
    mean, variance = np.empty((2, 2, queries, rows, samples))
    count = np.empty((2, rows, samples))
    for block, query, both in sides.fits(evidence, pool.mean(axis=1)):
        for side, fit in enumerate(both):
            mean[side, query][:, block] = fit.median + fit.mean
            unbiased = fit.count / np.maximum(np.asarray(fit.count) - 1, 1)
            variance[side, query][:, block] = unbiased * np.maximum(fit.square - fit.mean**2, 0)
            count[side][:, block] = fit.count
    if draws > 1:
        between = pool.var(axis=1, ddof=1) * (1 - 1 / draws)
        for block, query, withins in sides.means(evidence, np.asarray, between):
            for side, within in enumerate(withins):
                variance[side, query][:, block] += within
    return _Moments(count, mean, variance)


def _slope(member: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of y on x [models, samples, queries], within samples and sides, over all: [queries]."""
    product, square = np.zeros((2, x.shape[2]))
    for side in (member[..., None], ~member[..., None]):
        count = side.sum(axis=0)
        left = [(v - (v * side).sum(axis=0) / count) * side for v in (x, y)]
        product += (left[0] * left[1]).sum(axis=(0, 1))
        square += (left[0] ** 2).sum(axis=(0, 1))
    return product / np.maximum(square, np.finfo(np.float64).tiny)


def _log_ratio(
    evidence: Evidence, attacked: np.ndarray, moments: _Moments, known: _Moments
) -> np.ndarray:
    """The score of what targets answered [targets, samples, queries]: [targets, samples].

    known: what trends are in.
    """
    row_of = sides.rows(evidence)
    foreign = next(iter(evidence.target_phi)) not in evidence.pool_phi
    found = np.zeros(attacked.shape[:2])
    for query in range(attacked.shape[2]):
        for row in range(row_of.max() + 1):
            trend = _surface(known.mean[:, query, row])
            count, mean = moments.count[:, row], moments.mean[:, query, row]
            variance, freedom = _moderated(moments.variance[:, query, row], count, mean, trend)
            if moments is not known:
                mean = np.stack(
                    [_drawn(*s, trend) for s in zip(mean, variance / count, strict=True)]
                )
            level = mean.mean(axis=0)
            curve = _curve(level)
            effect = _drawn(mean[0] - mean[1], (variance / count).sum(axis=0), curve)
            for target in np.flatnonzero(row_of == row):
                phi = attacked[target, :, query]
                middle, slope, more = level, 1.0, np.zeros_like(level)
                if foreign:
                    middle, slope, more = _carried(phi, level, effect, variance.mean(axis=0), curve)
                for side, sign in ((0, 1), (1, -1)):
                    distance = phi - middle - sign * effect * slope / 2
                    scale = variance[side] * (1 + 1 / count[side]) * slope**2 + more
                    found[target] += sign * _log_t(distance**2 / scale, scale, freedom[side])
    return found / attacked.shape[2]


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _surface(means: np.ndarray) -> np.ndarray:
    """What a trend in two sides' means is made of, [samples, 6]."""
    a, b = map(_standard, means)
    return np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)


def _curve(level: np.ndarray) -> np.ndarray:
    """What a trend in the level is made of, [samples, 4]."""
    return np.vander(_standard(level), 4, increasing=True)


def _trend(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The coefficients of values' regression on terms [samples, ...]."""
    return np.linalg.lstsq(terms, values, rcond=None)[0]


def _moderated(
    variance: np.ndarray, count: np.ndarray, mean: np.ndarray, trend: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variances and degrees of freedom [2, samples], of the same [2, samples] of both sides.

    Where no sample has two values on a side, its variance is half that of the difference of sides.
    """
    found, freedom = np.empty((2, *variance.shape))
    for side, (own, d) in enumerate(zip(variance, count - 1, strict=True)):
        if (d > 0).any():
            d0, prior = _prior(own, d, trend)
        else:
            d0, prior = np.inf, np.full_like(own, (mean[0] - mean[1]).var() / 2)
        prior = np.maximum(prior, sides.DEVIATION_FLOOR**2)
        found[side] = prior if np.isinf(d0) else (d0 * prior + d * own) / (d0 + d)
        freedom[side] = d0 + d
    return found, freedom


def _prior(
    variance: np.ndarray, freedom: np.ndarray, trend: np.ndarray
) -> tuple[float, np.ndarray]:
    """Degrees of freedom and variances [samples] of the scaled inverse chi-square prior.

    log s2 has the mean log s02 + digamma(d/2) - log(d/2) - digamma(d0/2) + log(d0/2) and the
    variance trigamma(d/2) + trigamma(d0/2), so a regression of the first, over samples, gives s02
    and the rest around it d0; infinite where there is no more of a rest than d explains.
    """
    some = freedom > 0
    d, terms = freedom[some], trend[some]
    least = max(LEAST_SHARE * np.median(variance[some]), sides.DEVIATION_FLOOR**2)
    known = np.log(np.maximum(variance[some], least)) - digamma(d / 2) + np.log(d / 2)
    coefficients = _trend(terms, known)
    rest = ((known - terms @ coefficients) ** 2).sum() / max(len(known) - terms.shape[1], 1)
    excess = rest - polygamma(1, d / 2).mean()
    smooth = trend @ coefficients
    if excess <= 0:
        return np.inf, np.exp(smooth)
    d0 = 2 * _inverse_trigamma(excess)
    return d0, np.exp(smooth + digamma(d0 / 2) - np.log(d0 / 2))


def _inverse_trigamma(value: float) -> float:
    """By Newton's method on 1 / trigamma, which is nearly straight (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / float(np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        now = polygamma(1, x)
        step = now * (1 - now / value) / polygamma(2, x)
        x += step
        if -step < 1e-10 * x:
            break
    return float(x)


def _drawn(values: np.ndarray, noise: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Values drawn towards their regression on terms, by the share of noise in what is left."""
    fitted = terms @ _trend(terms, values)
    rest = max(((values - fitted) ** 2).mean() - noise.mean(), 0)
    return fitted + (values - fitted) * rest / (rest + noise)


def _carried(
    phi: np.ndarray,
    level: np.ndarray,
    effect: np.ndarray,
    variance: np.ndarray,
    curve: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray]:
    """A target's level [samples], its slope on the shadow models', and its further variance.

    Half of the samples are members, so phi has its mean in the middle of both sides and, around it,
    their variance and a quarter of the squared effect; what there is more is the target's own.
    """
    line = curve[:, :2]
    coefficients = _trend(line, phi)
    middle = line @ coefficients
    slope = max(float(coefficients[1]) / (level.std() or 1.0), LEAST_SLOPE)
    rest = (phi - middle) ** 2 - slope**2 * (variance + effect**2 / 4)
    return middle, slope, np.maximum(curve @ _trend(curve, rest), 0)


def _log_t(square: np.ndarray, scale: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Log density of Student's t at a squared distance in units of `scale`; normal at infinity.

    Less the constant log(pi) / 2.
    """
    if np.isinf(freedom).any():
        return -(square + np.log(2 * scale)) / 2
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom) / 2
    return constant - (freedom + 1) / 2 * np.log1p(square / freedom) - np.log(scale) / 2
