"""What a variant leaks: each attack's metrics over targets, and how sure they are.

The 95% intervals come from a bootstrap of the mean over targets that resamples targets and,
crossed with them, samples (`intervals`). They cover other targets of this pool and other samples
of this data set, and err on the wide side, since what varies from one (target, sample) to the next
is counted about three times (Owen 2007, "The pigeonhole bootstrap"). They do not cover another
draw of the shadow models, which all targets share too.

Where a target has fewer non-members than 1/FPR, its threshold is its highest non-member, and a
resample that leaves this one out (one in e does) lets the TPR only rise. There the non-members
stay as they are and members and targets alone are resampled: each target has a highest non-member
of its own, so resampling targets covers that one's chance as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.files.scores import Scores, read
from ptq_privacy.measures import intervals as resampling

if TYPE_CHECKING:
    import pandas as pd

VERTICES_PER_CHUNK = 2**14  # of ROCs computed at once: their arrays fit a core's cache

Replicates = dict[str, dict[str, np.ndarray]]
"""By attack and metric, the mean over targets in each replicate: float64 [replicates]."""


def measure(scores: Scores | str | Path, seed: int, replicates: int = 200) -> pd.DataFrame:
    """One row an attack: every metric of `metrics.METRICS` over the targets, as by `tabulate`.

    Args:
        scores: a score file, or what was read from it.
        seed: of the bootstrap.
        replicates: of the bootstrap.

    Raises:
        ValueError: no replicates, or a target without members or without non-members.
    """
    if not isinstance(scores, Scores):
        scores = read(scores)
    return tabulate(scores, bootstrap(scores, seed, replicates))


def tabulate(scores: Scores, intervals: Replicates) -> pd.DataFrame:
    """One row an attack, with the intervals that its replicates give.

    Returns:
        Columns `attack`, `targets`, `members` and `nonmembers` (of the target with the fewest),
        `fpr_0.001_supported` (whether these non-members are enough for 0.1% to mean one or more),
        and for each metric `_mean` and `_std` (over targets, divided by their number less one; NaN
        for one target), `_low` and `_high` (the mean's 95% interval) and `_pooled` (of one ROC
        over all targets' samples).
    """
    import pandas as pd  # half a second that jobs which only use the functions below need not pay

    targets = len(scores.targets)
    fewest = {
        "members": int(scores.member.sum(axis=1).min()),
        "nonmembers": int((~scores.member).sum(axis=1).min()),
    }
    rows = []
    for attack, values in scores.attacks.items():
        row: dict[str, object] = {"attack": attack, "targets": targets, **fewest}
        row["fpr_0.001_supported"] = metrics.supports(fewest["nonmembers"], "tpr_at_fpr_0.001")
        curves = [metrics.roc(*target) for target in zip(scores.member, values, strict=True)]
        pooled = metrics.roc(scores.member.ravel(), values.ravel())
        for name, metric in METRICS.items():
            each = np.array([metric(*curve) for curve in curves])
            low, high = resampling.interval(intervals[attack][name])
            row |= {
                f"{name}_mean": each.mean(),
                f"{name}_std": each.std(ddof=1) if targets > 1 else np.nan,
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_pooled": float(metric(*pooled)),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def bootstrap(scores: Scores, seed: int, replicates: int) -> Replicates:
    """The mean over targets of each attack's metrics, float64 [replicates], resampled.

    The same seed draws the same samples and targets whatever the attacks and their scores, so two
    score files of the same targets can be compared replicate by replicate.

    Raises:
        ValueError: no replicates, or a target without members or without non-members.
    """
    if replicates < 1:
        raise ValueError(f"replicates: {replicates} is not at least 1")
    targets, samples = scores.member.shape
    coarse = [
        {
            name: limit
            for name in METRICS
            if (limit := metrics.fpr_of(name)) is not None
            and not metrics.supports(int((~member).sum()), name)
        }
        for member in scores.member
    ]
    each = {
        attack: {name: np.empty((replicates, targets)) for name in METRICS}
        for attack in scores.attacks
    }
    ranked = {
        attack: [metrics.rank(*target) for target in zip(scores.member, values, strict=True)]
        for attack, values in scores.attacks.items()
    }
    called = {
        (attack, target, name): metrics.called_at_fpr(scores.member[target], values[target], limit)[
            scores.member[target]
        ]
        for attack, values in scores.attacks.items()
        for target in range(targets)
        for name, limit in coarse[target].items()
    }
    chunk = max(1, VERTICES_PER_CHUNK // samples)
    for rows, weight in resampling.sample_weights(scores.member, seed, replicates, chunk):
        counts = weight.astype(np.int32)
        for target, member in enumerate(scores.member):
            inside = weight[:, member]
            total = inside.sum(axis=1)
            for attack, measured in each.items():
                curve = metrics.curve(ranked[attack][target], counts)
                for name, metric in METRICS.items():
                    measured[name][rows, target] = (
                        inside @ called[attack, target, name] / total
                        if name in coarse[target]
                        else metric(*curve)
                    )
    drawn = resampling.target_draws(targets, seed, replicates)
    return {
        attack: {name: resampling.mean_over(drawn, values) for name, values in by_name.items()}
        for attack, by_name in each.items()
    }


def as_table(intervals: Replicates) -> pd.DataFrame:
    """Replicates as columns `attack`, `replicate` and one a metric, for a file."""
    import pandas as pd

    parts = [
        pd.DataFrame({"attack": attack, **by_name}).rename_axis("replicate").reset_index()
        for attack, by_name in intervals.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["attack", "replicate", *METRICS]]
