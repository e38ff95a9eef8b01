"""The likelihood ratio attack (Carlini et al. 2022) on every target for the price of one.

For each sample, shadow models that were trained on it and shadow models that were not give two
normal distributions of phi; a target's own phi is scored by how well it fits them. A target's
shadow models are the pool without the target's pair. Since models 2k and 2k+1 are trained on
complementary halves, each pair holds exactly one in-value and one out-value of every sample: all
targets' medians and deviations follow from one sort of the pool and its moments, with one value
removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from .pool import checked, in_and_out, require_pairs, sample_blocks, sums_without_each

ATTACKS = (
    "lira_online",
    "lira_online_fixed",
    "lira_offline",
    "lira_offline_fixed",
    "global_threshold",
)

# Logits are float32: around 10 they are 1e-6 apart, so no smaller deviation means anything.
DEVIATION_FLOOR = 1e-6


def scores(
    target_phi: ArrayLike,
    shadow_phi: ArrayLike,
    member: ArrayLike,
    targets: Sequence[int],
    reference: bool = False,
) -> dict[str, np.ndarray]:
    """Score every sample for every target with LiRA in four forms and with phi itself.

    With the median mu and the deviation sd (around the mean, divided by the count) of the shadow
    models' phi, trained on the sample (in) and not (out), averaged over queries:

        lira_online          log N(phi; mu_in, sd_in) - log N(phi; mu_out, sd_out)   (eq. 3)
        lira_offline         -log Pr[Z > phi], Z ~ N(mu_out, sd_out)                 (eq. 4)
        ..._fixed            sd_in and sd_out each one number for all samples and a query: the
                             deviation of the residuals phi - mu
        global_threshold     phi

    A deviation is at least `DEVIATION_FLOOR`. `reference` computes what the public
    implementations compute instead: see `_reference_scores`.

    Args:
        target_phi: [T, samples, queries], what the attacked models answered.
        shadow_phi: [P, samples, queries], the pool's: of the same precision (adaptive adversary:
            target_phi = shadow_phi[targets]) or of full precision (transfer).
        member: bool [P, samples], of complementary pairs (any membership for `reference`).
        targets: T model numbers of the pool; each one's own pair is left out.

    Returns:
        A float64 [T, samples] an attack, higher = more likely a member.

    Raises:
        ValueError: names the argument whose shape, type or values are wrong, or the pair that is
            not complementary.
    """
    attacked, pool, inside = checked(target_phi, shadow_phi, member, targets)
    if reference:
        return _reference_scores(attacked, pool, inside, targets)
    require_pairs(inside)
    samples, queries = pool.shape[1:]
    pairs, pair_of = np.unique(np.asarray(targets) // 2, return_inverse=True)
    found = {attack: np.zeros((len(targets), samples)) for attack in ATTACKS}
    medians = np.empty((2, queries, len(pairs), samples))  # first axis here and below: in, out
    means, squares = np.zeros((2, 2, queries, len(pairs)))
    for block, query, fits in _fits(pool, inside, pairs):
        for side, fit in enumerate(fits):
            medians[side, query][:, block] = fit.median
            means[side, query] += fit.mean.sum(axis=1)
            squares[side, query] += fit.square.sum(axis=1)
        phi, median = attacked[:, block, query], medians[:, query, :, block]
        _add(found, "", block, phi, pair_of, median, [fit.deviation for fit in fits])
    fixed = _deviation(means / samples, squares / samples)
    for block in sample_blocks(samples):
        for query in range(queries):
            phi, median = attacked[:, block, query], medians[:, query, :, block]
            _add(found, "_fixed", block, phi, pair_of, median, fixed[:, query, :, None])
            found["global_threshold"][:, block] += phi
    for total in found.values():
        total /= queries
    return found


def _add(
    found: dict[str, np.ndarray],
    suffix: str,
    block: slice,
    phi: np.ndarray,
    pair_of: np.ndarray,
    median: np.ndarray,
    deviation: Sequence[np.ndarray] | np.ndarray,
) -> None:
    """Add one query's scores of a block's samples: phi [targets, block], of each target's pair."""
    online, offline = found[f"lira_online{suffix}"], found[f"lira_offline{suffix}"]
    (mu_in, mu_out), (sd_in, sd_out) = median, deviation
    log_ratio = np.log(sd_out / sd_in)
    for row, pair in enumerate(pair_of):  # vectors of one block stay in the core's cache
        z_in = (mu_in[pair] - phi[row]) / sd_in[pair]
        z_out = (mu_out[pair] - phi[row]) / sd_out[pair]
        online[row, block] += (z_out**2 - z_in**2) / 2 + log_ratio[pair]
        offline[row, block] -= log_ndtr(z_out)


@dataclass(frozen=True)
class _Fit:
    """What a sample's values look like without each pair's own: float64 [pairs, samples]."""

    median: np.ndarray
    mean: np.ndarray  # of the residuals around the median
    square: np.ndarray  # mean square of the residuals around the median

    @property
    def deviation(self) -> np.ndarray:
        return _deviation(self.mean, self.square)


def _deviation(mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(square - mean**2, DEVIATION_FLOOR**2))


def _fits(
    pool: np.ndarray, member: np.ndarray, pairs: np.ndarray
) -> Iterator[tuple[slice, int, tuple[_Fit, _Fit]]]:
    """Yield (samples, query, (fit of the in-values, of the out-values)) block by block."""
    for block in sample_blocks(pool.shape[1]):
        for query in range(pool.shape[2]):
            values_in, values_out = in_and_out(pool, member, block, query)
            yield block, query, (_without(values_in, pairs), _without(values_out, pairs))


def _without(values: np.ndarray, pairs: np.ndarray) -> _Fit:
    """Fit what is left of values [all pairs, samples] once without each of `pairs`.

    Of the two or three sorted values in the middle, the removed one is the removed value itself,
    or, where that lies outside, the nearest: the value clipped to their range. The median is the
    mean of the others.
    """
    left = len(values) - 1
    ordered = np.sort(values, axis=0)
    centre = ordered[left // 2]
    low = ordered[(left - 1) // 2] - centre
    high = ordered[left // 2 + 1] - centre
    centred = values - centre
    total, square = sums_without_each(centred)[pairs], sums_without_each(centred**2)[pairs]
    shift = low + high - np.clip(centred[pairs], low, high)
    if left % 2 == 0:
        shift /= 2
    square -= shift * (2 * total - left * shift)
    total -= left * shift
    return _Fit(median=shift + centre, mean=total / left, square=square / left)


def _reference_scores(
    attacked: np.ndarray, pool: np.ndarray, member: np.ndarray, targets: Sequence[int]
) -> dict[str, np.ndarray]:
    """The same columns by the formulas of the public implementations, for published tables.

    They differ in this: every sample keeps only as many in-values as the sample with the fewest
    has (the first ones, by model number), and so with out-values; the online fixed deviation,
    *of both sides*, is that of all raw in-values, and the offline fixed one that of all raw
    out-values, over samples and queries; offline is the two-sided -log N(phi; mu_out, sd_out); a
    deviation is raised by 1e-30.
    """
    found = {attack: np.empty(attacked.shape[:2]) for attack in ATTACKS}
    for row, target in enumerate(targets):
        others = np.flatnonzero(np.arange(len(pool)) // 2 != target // 2)
        shadow, inside = pool[others], member[others]
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
        found["global_threshold"][row] = phi.mean(axis=1)
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
