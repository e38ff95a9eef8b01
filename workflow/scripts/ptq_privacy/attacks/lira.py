"""The likelihood ratio attack (Carlini et al. 2022) on every target for the price of one.

For each sample, shadow models that were trained on it and shadow models that were not give two
normal distributions of phi; a target's own phi is scored by how well it fits them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence

SCORES = ("lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed")

# Where phi lies this many deviations below the median, what eq. 4 gives is about 1e-197: its
# logarithm is summed as well, since it is 0 in floats from 38 deviations on.
FAINT = 30.0
LEAST_OFFLINE = 1e-300


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Score every sample for every target with LiRA in four forms.

    With the median mu and the deviation sd (around the mean, divided by the count) of the shadow
    models' phi, trained on the sample (in) and not (out), averaged over queries:

        lira_online          log N(phi; mu_in, sd_in) - log N(phi; mu_out, sd_out)   (eq. 3)
        lira_offline         -log Pr[Z > phi], Z ~ N(mu_out, sd_out)                 (eq. 4)
        ..._fixed            sd_in and sd_out each one number for all samples and a query: the
                             deviation of the residuals phi - mu

    A deviation is at least `sides.DEVIATION_FLOOR`, so with few shadow models many a sample lies
    dozens of deviations below its median, where what eq. 4 gives is too small for a float. A mean
    s below `LEAST_OFFLINE` is therefore given as log(s / LEAST_OFFLINE), a negative number: the
    order is that of s, and nothing ties but what ties in it.

    Args:
        evidence: of any membership.
        settings: `reference`: compute what the public implementations compute instead; see
            `_reference_scores`.

    Returns:
        A float64 [T, samples] a score, higher = more likely a member.
    """
    if settings["reference"]:
        return _reference_scores(evidence)
    attacked, row_of = evidence.attacked, sides.rows(evidence)
    _, samples, queries = attacked.shape
    count = row_of.max() + 1
    found = {score: np.zeros((len(attacked), samples)) for score in SCORES}
    faint = {score: np.full((len(attacked), samples), -np.inf) for score in SCORES[2:]}
    medians = np.empty((2, queries, count, samples))  # first axis here and below: in, out
    means, squares, weights = np.zeros((3, 2, queries, count))
    for block, query, both in sides.fits(evidence):
        for side, fit in enumerate(both):
            medians[side, query][:, block] = fit.median
            means[side, query] += (fit.mean * fit.count).sum(axis=1)
            squares[side, query] += (fit.square * fit.count).sum(axis=1)
            weights[side, query] += (fit.count + np.zeros(fit.median.shape)).sum(axis=1)
        phi, median = attacked[:, block, query], medians[:, query, :, block]
        _add(found, faint, "", block, phi, row_of, median, [fit.deviation for fit in both])
    fixed = sides.deviation(means / weights, squares / weights)
    for block in sides.sample_blocks(samples):
        for query in range(queries):
            phi, median = attacked[:, block, query], medians[:, query, :, block]
            _add(found, faint, "_fixed", block, phi, row_of, median, fixed[:, query, :, None])
    for score, total in found.items():
        total /= queries
        if score in faint:
            few = total < LEAST_OFFLINE
            total[few] = faint[score][few] - np.log(queries * LEAST_OFFLINE)
    return found


def _add(
    found: dict[str, np.ndarray],
    faint: dict[str, np.ndarray],
    suffix: str,
    block: slice,
    phi: np.ndarray,
    row_of: np.ndarray,
    median: np.ndarray,
    deviation: Sequence[np.ndarray] | np.ndarray,
) -> None:
    """Add one query's scores of a block's samples: phi [targets, block].

    faint: by offline score, the logarithm of the sum over queries where that is tiny.
    """
    online, offline = found[f"lira_online{suffix}"], found[f"lira_offline{suffix}"]
    logarithm = faint[f"lira_offline{suffix}"]
    (mu_in, mu_out), (sd_in, sd_out) = median, deviation
    log_ratio = np.log(sd_out / sd_in)
    for target, row in enumerate(row_of):  # vectors of one block stay in the core's cache
        z_in = (mu_in[row] - phi[target]) / sd_in[row]
        z_out = (mu_out[row] - phi[target]) / sd_out[row]
        online[target, block] += (z_out**2 - z_in**2) / 2 + log_ratio[row]
        offline[target, block] -= log_ndtr(z_out)
        tiny = np.flatnonzero(z_out > FAINT)  # there -log Pr[Z > phi] is Pr[Z < phi] itself
        if len(tiny):
            place = block.start + tiny
            logarithm[target, place] = np.logaddexp(
                logarithm[target, place], log_ndtr(-z_out[tiny])
            )


def _reference_scores(evidence: Evidence) -> dict[str, np.ndarray]:
    """The same scores by the formulas of the public implementations, for published tables.

    They differ in this: every sample keeps only as many in-values as the sample with the fewest
    has (the first ones, by model number), and so with out-values; the online fixed deviation,
    *of both sides*, is that of all raw in-values, and the offline fixed one that of all raw
    out-values, over samples and queries; offline is the two-sided -log N(phi; mu_out, sd_out); a
    deviation is raised by 1e-30.
    """
    attacked = evidence.attacked
    found = {score: np.empty(attacked.shape[:2]) for score in SCORES}
    for row, target in enumerate(evidence.targets):
        others = evidence.others(target)
        shadow, inside = evidence.shadow[others], evidence.member[others]
        values_in, values_out = _truncated(shadow, inside), _truncated(shadow, ~inside)
        mu_in, mu_out = np.median(values_in, axis=0), np.median(values_out, axis=0)
        phi = attacked[row]
        for suffix, sd_in, sd_out, sd_offline in (
            ("", values_in.std(axis=0), values_out.std(axis=0), values_out.std(axis=0)),
            ("_fixed", values_in.std(), values_in.std(), values_out.std()),
        ):
            online = _log_density(phi, mu_in, sd_in) - _log_density(phi, mu_out, sd_out)
            offline = -_log_density(phi, mu_out, sd_offline)
            found[f"lira_online{suffix}"][row] = online.mean(axis=1)
            found[f"lira_offline{suffix}"][row] = offline.mean(axis=1)
    return found


def _truncated(shadow: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The first n chosen models' values of every sample, [n, samples, queries], n = the fewest."""
    count = chosen.sum(axis=0).min()
    if count == 0:
        raise ValueError("member: a sample is in all or none of a target's shadow models")
    order = np.argsort(~chosen, axis=0, kind="stable")[:count]
    return np.take_along_axis(shadow, order[..., None], axis=0)


def _log_density(phi: np.ndarray, mu: np.ndarray, sd: np.ndarray) -> np.ndarray:
    sd = sd + 1e-30
    return -0.5 * ((phi - mu) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
