"""Does quantization protect the samples that stand out, or the average? And are they the same?

Samples are put into groups by how exposed they are at full precision, and every variant's
exposure is measured group by group. Who seemed most exposed was partly lucky, and would fall back
even if nothing changed, so what is measured must know nothing of what ranked: each pair of targets
is measured on groups that its stand-ins made (`stand_ins`), which never saw the pair. Ranking by
the other targets' scores would not do, since the pair is among their shadow models: where nothing
leaks, the samples so found first would still seem exposed.

A pair of targets gives one number a sample: 1 where the model that was trained on it calls it a
member and the other does not, -1 the other way round, else 0. Its mean over pairs is the exposure
of `exposure`, caught minus falsely called. Beside it stands the pair's signal (`sample_signal`),
which does not saturate: where quantization takes the same share of every sample's signal, so
protects all alike, the most exposed keep more of their *exposure*, since they stay above the
threshold. Intervals are those of `intervals`, over pairs and samples, groups as found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ptq_privacy.measures.exposure import Calls, called
from ptq_privacy.measures.intervals import UNKNOWN, Estimate, Resampled, estimate, sample_weights

if TYPE_CHECKING:
    import pandas as pd

DECILES = tuple(f"decile_{k}" for k in range(1, 11))  # the first holds the most exposed
GROUPS = ("all", "top_1%", "other_99%", "top_10%", "other_90%", *DECILES)
TOO_FEW = "needs a whole pair of targets to measure, and 4 shadow models to rank the samples by"
NO_EXPOSURE = "the group's exposure at full precision may be zero, so no share of it can be told"
NO_SIGNAL = "the group's signal at full precision may be zero, so no share of it can be told"
CONSTANT = "exposure is the same for all samples"


def by_pair(calls: Calls) -> np.ndarray:
    """Called by the model that holds a sample less called by its partner: float32 [pairs, samples].

    A last target without its partner is left out.
    """
    pairs = len(calls.member) // 2
    sign = np.where(calls.member, calls.called, -calls.called)
    return sign[: 2 * pairs : 2] + sign[1 : 2 * pairs : 2]


def outscored(member: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Of each target and sample [targets, samples]: the share of non-members with lower scores."""
    share = np.empty(member.shape)
    for row, (inside, values) in enumerate(zip(member, score, strict=True)):
        others = np.sort(values[~inside])
        share[row] = np.searchsorted(others, values, side="left") / len(others)
    return share


def order(member: np.ndarray, score: np.ndarray, fpr: float) -> np.ndarray:
    """Sample numbers from the most to the least exposed, int [samples].

    By how many more models catch a sample than call it falsely; among equals, by the mean share of
    non-members that it outscores as a member.

    Args:
        member: bool [models, samples], of stand-ins.
        score: [models, samples].
    """
    net = by_pair(called(member, score, fpr)).sum(axis=0).round(4)  # else rounding parts equals
    above = (outscored(member, score) * member).sum(axis=0)
    return np.lexsort((-above, -net))


def summarize(
    exposures: Mapping[str, np.ndarray],
    signals: Mapping[str, np.ndarray] | None,
    orders: np.ndarray | None,
    member: np.ndarray,
    seed: int,
) -> pd.DataFrame:
    """Exposure and signal by group at every variant, and exposure's rank correlation between them.

    Args:
        exposures: by variant, `full` among them, what `by_pair` gave [pairs, samples].
        signals: likewise what `sample_signal.of_pairs` gave; None where there are too few pairs.
        orders: for each pair, what `order` gave on its stand-ins [pairs, samples]; None where there
            are too few shadow models for any.
        member: bool [targets, samples].

    Returns:
        Columns `statistic`, `variant`, `other`, `group`, `estimate`, `low`, `high` (95%),
        `p_value` and `note`. Statistics of a variant and a group of `GROUPS`:

        exposure        mean over the group's samples
        fall            exposure at full precision less that at this one; its p-value
        share           of the exposure of all samples that lies in the group
        kept            exposure as a share of the group's at full precision
        kept_top_minus_other    of `kept`, top_1% less other_99%, with its p-value: above 0 where
                        the most exposed keep more of their exposure than all the others
        signal, signal_fall, signal_kept, signal_kept_top_minus_other    the same of the signal

        and of a variant and an `other`, Spearman's over the samples' exposures:

        correlation_same_targets    on the same targets
        correlation_other_targets   every second pair at one variant, the others at the other
                                    (both ways, averaged); of a variant with itself it says how
                                    well so few targets can rank samples at all
    """
    import pandas as pd

    columns = ["statistic", "variant", "other", "group", "estimate", "low", "high", "p_value"]
    if orders is None or orders.shape[0] == 0:
        unknown = [
            {"statistic": "exposure", "variant": variant, "group": group, "note": TOO_FEW}
            for variant in exposures
            for group in GROUPS
        ]
        table = pd.DataFrame(unknown, columns=[*columns, "note"]).assign(other="")
        return table.astype(dict.fromkeys(columns[4:], np.float64))
    once = np.ones((1, orders.shape[1]), np.float32)
    weight = np.concatenate([once, sample_weights(member, seed).astype(np.float32)])
    rows: list[dict] = _by_group(exposures, orders, weight, "")
    if signals is not None:
        rows += _by_group(signals, orders, weight, "signal_")
    rows += _correlations(exposures, weight)
    return pd.DataFrame(rows, columns=[*columns, "note"]).fillna({"other": "", "group": ""})


@dataclass(frozen=True)
class _Group:
    """What each pair measured in a group: the mean of its samples, and their sum."""

    mean: Resampled
    mass: Resampled


def _groups(
    values: np.ndarray, order: np.ndarray, weight: np.ndarray
) -> Iterator[tuple[int, str, _Group]]:
    """Yield (variant's place, group, what was measured) of values [variants, pairs, samples]."""
    variants, pairs, samples = values.shape
    edges = [0, -(-samples // 100), *(round(samples * k / 10) for k in range(1, 11))]
    edges = sorted(min(edge, samples) for edge in edges)
    sums = np.empty((variants, len(weight), pairs, len(edges) - 1))
    counts = np.empty((len(weight), pairs, len(edges) - 1))
    for pair in range(pairs):
        for segment, (start, stop) in enumerate(pairwise(edges)):
            chosen = order[pair, start:stop]
            own = weight[:, chosen]
            sums[:, :, pair, segment] = values[:, pair, chosen].astype(np.float32) @ own.T
            counts[:, pair, segment] = own.sum(axis=1)
    places = {"all": slice(0, None), "top_1%": slice(0, 1), "other_99%": slice(1, None)}
    places |= {"top_10%": slice(0, 2), "other_90%": slice(2, None)}
    places |= {name: slice(k, k + 1) for k, name in enumerate(DECILES, start=1)}
    places["decile_1"] = places["top_10%"]
    for variant in range(variants):
        for group, place in places.items():
            mass, count = sums[variant, ..., place].sum(axis=-1), counts[..., place].sum(axis=-1)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = mass / count
            # A resample that misses all of a small group says nothing of it.
            mean = np.where(count > 0, mean, mean[0])
            yield variant, group, _Group(_resampled(mean), _resampled(mass))


def _resampled(values: np.ndarray) -> Resampled:
    return Resampled(values[0], values[1:])


def _by_group(
    measured: Mapping[str, np.ndarray], orders: np.ndarray, weight: np.ndarray, prefix: str
) -> list[dict[str, object]]:
    variants, statistic = list(measured), prefix.removesuffix("_") or "exposure"
    found: dict[str, dict[str, _Group]] = {variant: {} for variant in variants}
    for place, group, own in _groups(np.stack(list(measured.values())), orders, weight):
        found[variants[place]][group] = own
    rows = []
    for variant, groups in found.items():
        kept: dict[str, Resampled | None] = {}
        for group in GROUPS:
            known = {"variant": variant, "group": group}
            base = found["full"][group].mean
            rows.append(_row(statistic, estimate(groups[group].mean), **known))
            if not prefix:
                share = _ratio(groups[group].mass, groups["all"].mass)
                rows.append(_row("share", _estimate(share), **known))
            if variant == "full":
                continue
            rows.append(_row(f"{prefix}fall", estimate(base.minus(groups[group].mean)), **known))
            kept[group] = _ratio(groups[group].mean, base)
            rows.append(_row(f"{prefix}kept", _estimate(kept[group]), **known))
        if kept:
            top, other = kept["top_1%"], kept["other_99%"]
            difference = top.minus(other) if top and other else None
            known = {"variant": variant, "group": "top_1%"}
            rows.append(_row(f"{prefix}kept_top_minus_other", _estimate(difference), **known))
    return rows


def _ratio(part: Resampled, whole: Resampled) -> Resampled | None:
    """part / whole, or None where the interval of the whole holds 0 or less."""
    return part.over(whole) if estimate(whole).low > 0 else None


def _estimate(resampled: Resampled | None) -> Estimate:
    return UNKNOWN if resampled is None else estimate(resampled)


def _row(statistic: str, found: Estimate, **known: str) -> dict[str, object]:
    """A row of the table; p-values only where zero is what is asked about."""
    tested = statistic.endswith(("fall", "kept_top_minus_other"))
    note = NO_SIGNAL if statistic.startswith("signal") else NO_EXPOSURE
    return {
        "statistic": statistic,
        **known,
        "estimate": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value if tested else np.nan,
        "note": note if np.isnan(found.value) else "",
    }


def _correlations(exposures: Mapping[str, np.ndarray], weight: np.ndarray) -> list[dict]:
    """Rank correlations between all variants, resampling samples alone."""
    names = list(exposures)
    halves = [
        np.stack([stats.rankdata(own[part].sum(axis=0).round(4)) for own in exposures.values()])
        for part in (slice(None), slice(0, None, 2), slice(1, None, 2))
    ]
    whole, even, odd = ((ranks - ranks.mean(axis=1, keepdims=True)) for ranks in halves)
    same = np.stack([_weighted_correlation(whole, whole, w) for w in weight])
    other = np.stack([_weighted_correlation(even, odd, w) for w in weight])
    other = (other + other.transpose(0, 2, 1)) / 2
    rows = []
    for i, variant in enumerate(names):
        for j, name in enumerate(names):
            for statistic, values in (
                ("correlation_same_targets", same),
                ("correlation_other_targets", other),
            ):
                if (statistic == "correlation_same_targets" and i == j) or j < i:
                    continue
                found = estimate(_resampled(values[:, i, j][:, None]))  # samples alone are drawn
                row = _row(statistic, found, variant=variant, other=name)
                rows.append({**row, "note": CONSTANT if np.isnan(found.value) else ""})
    return rows


def _weighted_correlation(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Pearson's between the rows of x and of y, samples weighted: [rows of x, rows of y]."""
    share = w / w.sum()
    mean_x, mean_y = x @ share, y @ share
    covariance = (x * share) @ y.T - np.outer(mean_x, mean_y)
    spread = np.outer((x**2) @ share - mean_x**2, (y**2) @ share - mean_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-9, covariance / np.sqrt(np.maximum(spread, 1e-9)), np.nan)
