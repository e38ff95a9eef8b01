"""What a variant leaks: each attack's metrics of every target, and how sure their means are.

Every metric is measured of each target as it is and on resampled samples, the same for all
(`intervals`), so that whatever is compared of the same targets can be compared target by target.
Intervals cover other targets of this pool and other samples of this data set. They do not cover
training the pool again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.files.scores import Scores, read
from ptq_privacy.measures.intervals import Resampled, estimate, rate, sample_weights

if TYPE_CHECKING:
    import pandas as pd

VERTICES_PER_CHUNK = 2**14  # of ROCs computed at once: their arrays fit a core's cache

Values = dict[str, dict[str, Resampled]]
"""By attack and metric, the targets' values."""


def measure(scores: Scores | str | Path, seed: int) -> pd.DataFrame:
    """One row an attack: every metric of `metrics.METRICS` over the targets, as by `tabulate`.

    Args:
        scores: a score file, or what was read from it.
        seed: of the resampling.

    Raises:
        ValueError: a target without members or without non-members.
    """
    if not isinstance(scores, Scores):
        scores = read(scores)
    return tabulate(scores, values(scores, seed))


def tabulate(scores: Scores, measured: Values) -> pd.DataFrame:
    """One row an attack, of what `values` measured.

    Returns:
        Columns `attack`, `targets`, `members` and `nonmembers` (of the target with the fewest),
        `ties` (share of samples that share their score with another one, which no threshold parts),
        `chosen` (which scores an attack took that chooses among the others; empty for them),
        `fpr_0.001_supported` (whether these non-members are enough for 0.1% to mean one or more),
        and for each metric `_mean` and `_std` (over targets, divided by their number less one; NaN
        for one target), `_low` and `_high` (the mean's 95% interval, as far as it is within 0..1),
        `_p_value` (two-sided, of its being what `metrics.chance` says) and `_pooled` (of one ROC
        over all targets' samples); for the logarithmic areas also `_from`, the rate at which their
        axes begin.
    """
    import pandas as pd  # half a second that the measuring jobs need not pay

    return pd.DataFrame(rows(scores, measured))


def rows(scores: Scores, measured: Values) -> list[dict[str, Any]]:
    """The rows of `tabulate`."""
    targets = len(scores.targets)
    fewest = {
        "members": int(scores.member.sum(axis=1).min()),
        "nonmembers": _nonmembers(scores),
    }
    members = int(scores.member.any(axis=0).sum())
    table = []
    for attack, own in measured.items():
        row: dict[str, Any] = {"attack": attack, "targets": targets, **fewest}
        row["ties"] = np.mean([metrics.ties(target) for target in scores.attacks[attack]])
        row["chosen"] = _counted(scores.chosen.get(attack, ()))
        row["fpr_0.001_supported"] = metrics.supports(fewest["nonmembers"], "tpr_at_fpr_0.001")
        pooled = metrics.roc(scores.member.ravel(), scores.on_one_scale(attack).ravel())
        for name, metric in METRICS.items():
            level = metrics.chance(name, fewest["members"], fewest["nonmembers"])
            if metrics.fpr_of(name) is None:
                found = estimate(own[name])
                found = found._replace(p_value=estimate(own[name].scaled(1, -level)).p_value)
            else:
                found = rate(own[name], members, level)
            row |= {
                f"{name}_mean": found.value,
                f"{name}_std": own[name].each.std(ddof=1) if targets > 1 else np.nan,
                f"{name}_low": max(found.low, 0.0),
                f"{name}_high": min(found.high, 1.0),
                f"{name}_p_value": found.p_value,
                f"{name}_pooled": float(metric(*pooled, fewest["nonmembers"])),
            }
            if (start := metrics.lowest(name, fewest["nonmembers"])) is not None:
                row[f"{name}_from"] = start
        table.append(row)
    return table


def values(scores: Scores, seed: int, names: Sequence[str] = tuple(METRICS)) -> Values:
    """Metrics of each target, as they are and resampled.

    The same seed draws the same samples whatever the attacks and their scores.

    Raises:
        ValueError: a target without members or without non-members.
    """
    weight, nonmembers = weights(scores.member, seed), _nonmembers(scores)
    measured: Values = {}
    for attack, score in scores.attacks.items():
        targets = zip(scores.member, score, strict=True)
        found = np.stack([of_target(*own, weight, nonmembers, names) for own in targets], axis=-1)
        measured[attack] = {
            name: Resampled(own[0], own[1:]) for name, own in zip(names, found, strict=True)
        }
    return measured


def weights(member: np.ndarray, seed: int) -> np.ndarray:
    """How often samples count: once each, then resampled; int32 [1 + REPLICATES, samples]."""
    once = np.ones((1, member.shape[1]), np.int32)
    return np.concatenate([once, sample_weights(member, seed)])


def of_target(
    member: np.ndarray,
    score: np.ndarray,
    weight: np.ndarray,
    nonmembers: int,
    names: Sequence[str] = tuple(METRICS),
) -> np.ndarray:
    """One target's metrics by the `weights` of its samples, float64 [names, weights]."""
    ranked = metrics.corners(metrics.rank(member, score))
    found = np.empty((len(names), len(weight)))
    chunk = max(1, VERTICES_PER_CHUNK // len(member))
    for start in range(0, len(weight), chunk):
        rows = slice(start, start + chunk)
        curve = metrics.curve(ranked, weight[rows])
        for place, name in enumerate(names):
            found[place, rows] = METRICS[name](*curve, nonmembers)
    return found


def _nonmembers(scores: Scores) -> int:
    """Of the target with the fewest, which says how low the rates of all can be read."""
    return int((~scores.member).sum(axis=1).min())


def as_columns(measured: Values) -> dict[str, Any]:
    """Columns `attack`, `replicate` (0: as it is), `target` (its place) and one a metric."""
    attacks: list[str] = []
    parts = []
    for attack, by_name in measured.items():
        drawn = {name: np.vstack([own.each, own.drawn]) for name, own in by_name.items()}
        replicates, targets = next(iter(drawn.values())).shape
        place = np.indices((replicates, targets), np.int32).reshape(2, -1)
        own = {name: values.ravel() for name, values in drawn.items()}
        parts.append({"replicate": place[0], "target": place[1], **own})
        attacks += [attack] * place.shape[1]
    return {
        "attack": attacks,
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
    }


def from_table(table: pd.DataFrame) -> Values:
    """What a table of `as_columns` holds."""
    found: Values = {}
    for attack, rows in table.groupby("attack", sort=False):
        shape = (-1, int(rows["target"].max()) + 1)
        drawn = {name: rows[name].to_numpy().reshape(shape) for name in METRICS}
        found[str(attack)] = {name: Resampled(own[0], own[1:]) for name, own in drawn.items()}
    return found


def _counted(names: Sequence[str]) -> str:
    """Names and for how many targets each stands, the most frequent first."""
    count = Counter(names).most_common()
    return "; ".join(name if len(count) == 1 else f"{name} ({n})" for name, n in count)
