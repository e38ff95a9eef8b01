"""What a precision leaks: each attack's metrics over targets, and how sure they are.

The 95% intervals come from a bootstrap of the mean over targets that resamples targets and,
crossed with them, samples: in a replicate one draw of samples serves all targets, since targets
share their samples, and whatever makes a sample easy to catch, with each other. They cover other
targets of this pool and other samples of this data set, and err on the wide side, since what varies
from one (target, sample) to the next is counted about three times (Owen 2007, "The pigeonhole
bootstrap"). They do not cover another draw of the shadow models, which all targets share too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import metrics
from .metrics import METRICS
from .scores import Scores, read

if TYPE_CHECKING:
    import pandas as pd

VERTICES_PER_CHUNK = 2**17  # of ROCs computed at once: their arrays fit a core's cache


def measure(scores: Scores | str | Path, seed: int, replicates: int = 200) -> pd.DataFrame:
    """One row an attack: every metric of `metrics.METRICS` over the targets.

    Args:
        scores: a score file, or what was read from it.
        seed: of the bootstrap.
        replicates: of the bootstrap.

    Returns:
        Columns `attack`, `targets`, `members` and `nonmembers` (of the target with the fewest),
        `fpr_0.001_supported` (whether these non-members are enough for 0.1% to mean one or more),
        and for each metric `_mean` and `_std` (over targets, divided by their number less one; NaN
        for one target), `_low` and `_high` (the mean's 95% interval) and `_pooled` (of one ROC
        over all targets' samples).

    Raises:
        ValueError: no replicates, or a target without members or without non-members.
    """
    import pandas as pd  # half a second that jobs which only use the functions below need not pay

    if not isinstance(scores, Scores):
        scores = read(scores)
    if replicates < 1:
        raise ValueError(f"replicates: {replicates} is not at least 1")
    targets = len(scores.targets)
    fewest = {
        "members": int(scores.member.sum(axis=1).min()),
        "nonmembers": int((~scores.member).sum(axis=1).min()),
    }
    intervals = bootstrap(scores, seed, replicates)
    rows = []
    for attack, values in scores.attacks.items():
        row: dict[str, object] = {"attack": attack, "targets": targets, **fewest}
        row["fpr_0.001_supported"] = fewest["nonmembers"] >= 1000
        curves = [metrics.roc(*target) for target in zip(scores.member, values, strict=True)]
        pooled = metrics.roc(scores.member.ravel(), values.ravel())
        for name, metric in METRICS.items():
            each = np.array([metric(*curve) for curve in curves])
            low, high = np.percentile(intervals[attack][name], (2.5, 97.5))
            row |= {
                f"{name}_mean": each.mean(),
                f"{name}_std": each.std(ddof=1) if targets > 1 else np.nan,
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_pooled": float(metric(*pooled)),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def bootstrap(scores: Scores, seed: int, replicates: int) -> dict[str, dict[str, np.ndarray]]:
    """The mean over targets of each attack's metrics, float64 [replicates], resampled.

    The same seed draws the same samples and targets whatever the attacks and their scores, so two
    score files of the same targets can be compared replicate by replicate.

    Raises:
        ValueError: a target without members or without non-members.
    """
    targets, samples = scores.member.shape
    rankings = {
        attack: [metrics.rank(*target) for target in zip(scores.member, values, strict=True)]
        for attack, values in scores.attacks.items()
    }
    each = {
        attack: {name: np.empty((replicates, targets)) for name in METRICS} for attack in rankings
    }
    sample_seed, target_seed = np.random.SeedSequence(seed).spawn(2)
    generator = np.random.default_rng(sample_seed)
    chunk = max(1, VERTICES_PER_CHUNK // samples)
    for start in range(0, replicates, chunk):
        stop = min(start + chunk, replicates)
        weight = np.stack([_weights(generator, scores.member) for _ in range(start, stop)])
        for attack, ranked in rankings.items():
            for target, ranking in enumerate(ranked):
                curve = metrics.curve(ranking, weight)
                for name, metric in METRICS.items():
                    each[attack][name][start:stop, target] = metric(*curve)
    drawn = np.random.default_rng(target_seed).integers(targets, size=(replicates, targets))
    return {
        attack: {
            name: np.take_along_axis(values, drawn, axis=1).mean(axis=1)
            for name, values in by_name.items()
        }
        for attack, by_name in each.items()
    }


def _weights(generator: np.random.Generator, member: np.ndarray) -> np.ndarray:
    """How often each sample is drawn, float64 [samples]; again if a target lacks a class."""
    samples = member.shape[1]
    while True:
        drawn = generator.integers(samples, size=samples)
        weight = np.bincount(drawn, minlength=samples).astype(np.float64)
        inside = member @ weight
        if (inside > 0).all() and (inside < samples).all():
            return weight
