"""Does quantization protect the samples that stand out, or the average? And are they the same?

Samples are put into groups by how exposed they are at full precision, and every variant's
exposure is measured group by group. Who seemed most exposed was partly lucky, and would fall back
even if nothing changed, so what is measured must know nothing of what ranked: each pair of targets
is measured on groups that its stand-ins made (`stand_ins`), which never saw the pair. Ranking by
the other targets' scores would not do, since the pair is among their shadow models: where nothing
leaks, the samples so found first would still seem exposed.

A pair of targets gives one number a sample: 1 where the model that was trained on it calls it a
member and the other does not, -1 the other way round, else 0. Its mean over pairs is the exposure
of `exposure`, caught minus falsely called. Intervals resample pairs and samples, groups as found.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ptq_privacy.measures.exposure import Calls, called
from ptq_privacy.measures.intervals import interval, p_value, weights_in_chunks
from ptq_privacy.study.seeds import generator

if TYPE_CHECKING:
    import pandas as pd

DECILES = tuple(f"decile_{k}" for k in range(1, 11))  # the first holds the most exposed
GROUPS = ("all", "top_1%", "other_99%", "top_10%", "other_90%", *DECILES)
TOO_FEW = "needs a whole pair of targets to measure, and 4 shadow models to rank the samples by"
NO_EXPOSURE = "the group's exposure at full precision may be zero, so no share of it can be told"
CONSTANT = "exposure is the same for all samples"


def by_pair(calls: Calls) -> np.ndarray:
    """Called by the model that holds a sample less called by its partner: int8 [pairs, samples].

    A last target without its partner is left out.
    """
    pairs = len(calls.member) // 2
    sign = np.where(calls.member, 1, -1).astype(np.int8) * calls.called
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
    net = by_pair(called(member, score, fpr)).sum(axis=0)
    above = (outscored(member, score) * member).sum(axis=0)
    return np.lexsort((-above, -net))


def summarize(
    exposures: Mapping[str, np.ndarray],
    orders: np.ndarray | None,
    member: np.ndarray,
    seed: int,
    replicates: int,
) -> pd.DataFrame:
    """Exposure by group at every variant, and its rank correlation between variants.

    Args:
        exposures: by variant, `full` among them, what `by_pair` gave [pairs, samples].
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

        and of a variant and an `other`, Spearman's over the samples' exposures:

        correlation_same_targets    on the same targets
        correlation_other_targets   every second pair at one variant, the others at the other
                                    (both ways, averaged); of a variant with itself it says how
                                    well so few targets can rank samples at all
    """
    import pandas as pd

    columns = ["statistic", "variant", "other", "group", "estimate", "low", "high", "p_value"]
    if orders is None or orders.shape[0] == 0:
        rows = [
            {"statistic": "exposure", "variant": variant, "group": group, "note": TOO_FEW}
            for variant in exposures
            for group in GROUPS
        ]
        table = pd.DataFrame(rows, columns=[*columns, "note"]).assign(other="")
        return table.astype(dict.fromkeys(columns[4:], np.float64))
    pairs, samples = orders.shape
    weight = np.concatenate(
        [np.ones((1, samples), np.float32)]
        + [w.astype(np.float32) for _, w in weights_in_chunks(member, seed, replicates, 16)]
    )
    drawn = generator("resampled pairs", seed).integers(pairs, size=(replicates + 1, pairs))
    drawn[0] = np.arange(pairs)  # replicate 0 is the data as they are
    mean = _group_means(np.stack(list(exposures.values())), orders, weight, drawn)
    rows = _by_group(mean, list(exposures)) + _correlations(exposures, weight)
    return pd.DataFrame(rows, columns=[*columns, "note"]).fillna({"other": "", "group": ""})


def _group_means(
    exposures: np.ndarray, order: np.ndarray, weight: np.ndarray, drawn: np.ndarray
) -> dict[str, np.ndarray]:
    """By group, weighted means and (`mass:`) sums of the exposure: [replicates, variants]."""
    variants, pairs, samples = exposures.shape
    edges = [0, -(-samples // 100), *(round(samples * k / 10) for k in range(1, 11))]
    edges = sorted(min(edge, samples) for edge in edges)
    sums = np.empty((len(weight), variants, pairs, len(edges) - 1))
    counts = np.empty((len(weight), 1, pairs, len(edges) - 1))
    for pair in range(pairs):
        for segment, (start, stop) in enumerate(pairwise(edges)):
            chosen = order[pair, start:stop]
            own = weight[:, chosen]
            sums[:, :, pair, segment] = own @ exposures[:, pair, chosen].T.astype(np.float32)
            counts[:, 0, pair, segment] = own.sum(axis=1)
    # By replicate the drawn pairs, pooled.
    times = np.stack([np.bincount(row, minlength=pairs) for row in drawn]).astype(float)
    sums = np.einsum("rpks,rk->rps", sums, times)
    counts = np.einsum("rpks,rk->rps", counts, times)
    places = {"all": slice(0, None), "top_1%": slice(0, 1), "other_99%": slice(1, None)}
    places |= {"top_10%": slice(0, 2), "other_90%": slice(2, None)}
    places |= {name: slice(k, k + 1) for k, name in enumerate(DECILES, start=1)}
    places["decile_1"] = places["top_10%"]
    found = {}
    for group, place in places.items():
        mass, count = sums[..., place].sum(axis=-1), counts[..., place].sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[group] = mass / count
        found[f"mass:{group}"] = mass
    return found


def _by_group(mean: Mapping[str, np.ndarray], variants: list[str]) -> list[dict[str, object]]:
    rows = []
    full = variants.index("full")
    for place, variant in enumerate(variants):
        kept = {}
        for group in GROUPS:
            known = {"variant": variant, "group": group}
            own, base = mean[group][:, place], mean[group][:, full]
            rows.append(_row("exposure", own, **known))
            share = _ratio(mean[f"mass:{group}"][:, place], mean["mass:all"][:, place])
            rows.append(_row("share", share, **known))
            if variant != "full":
                rows.append(_row("fall", base - own, **known))
                kept[group] = _ratio(own, base)
                rows.append(_row("kept", kept[group], **known))
        if kept:
            difference = kept["top_1%"] - kept["other_99%"]
            known = {"variant": variant, "group": "top_1%"}
            rows.append(_row("kept_top_minus_other", difference, **known))
    return rows


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, or NaN throughout where the interval of the whole holds 0 or less."""
    if np.isnan(whole).any() or interval(whole[1:])[0] <= 0 or whole[0] <= 0:
        return np.full(len(whole), np.nan)
    return part / np.where(whole > 0, whole, np.nan)


def _row(statistic: str, replicates: np.ndarray, **known: str) -> dict[str, object]:
    """A row of the table from the estimate, replicate 0, and the rest."""
    kept = replicates[1:][~np.isnan(replicates[1:])]  # a draw may miss all of a small group
    undefined = bool(np.isnan(replicates[0]))
    low, high = (np.nan, np.nan) if undefined else interval(kept)
    tested = statistic in ("fall", "kept_top_minus_other") and not undefined
    return {
        "statistic": statistic,
        **known,
        "estimate": float(replicates[0]),
        "low": low,
        "high": high,
        "p_value": p_value(kept) if tested else np.nan,
        "note": NO_EXPOSURE if undefined else "",
    }


def _correlations(exposures: Mapping[str, np.ndarray], weight: np.ndarray) -> list[dict]:
    """Rank correlations between all variants, resampling samples alone."""
    names = list(exposures)
    halves = [
        np.stack([stats.rankdata(own[part].sum(axis=0)) for own in exposures.values()])
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
                row = _row(statistic, values[:, i, j], variant=variant, other=name)
                rows.append({**row, "note": CONSTANT if np.isnan(values[0, i, j]) else ""})
    return rows


def _weighted_correlation(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Pearson's between the rows of x and of y, samples weighted: [rows of x, rows of y]."""
    share = w / w.sum()
    mean_x, mean_y = x @ share, y @ share
    covariance = (x * share) @ y.T - np.outer(mean_x, mean_y)
    spread = np.outer((x**2) @ share - mean_x**2, (y**2) @ share - mean_y**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-9, covariance / np.sqrt(np.maximum(spread, 1e-9)), np.nan)
