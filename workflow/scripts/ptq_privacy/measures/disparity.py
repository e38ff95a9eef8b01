"""Do some classes leak more than others, and does quantization change that?

Thresholds are those of all samples of a target, as an attacker has them, and see no membership
(`exposure`). So where nothing leaks, members of a class are called as often as its non-members,
though perhaps more often than those of another class: a class may be *accused* more, rightly and
wrongly. What it leaks is the difference, its exposure (the disparate vulnerability of Kulynych et
al. 2022). Held against all samples together, it is a difference at one variant; its ratio to that
of all is what can be compared between variants which leak more and less.

A class of few members has a rate of few calls, of which no interval is to be trusted: it is named,
and not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ptq_privacy.attacks import metrics
from ptq_privacy.measures.exposure import Calls
from ptq_privacy.measures.intervals import UNKNOWN, Estimate, Resampled, estimate, sample_weights

if TYPE_CHECKING:
    import pandas as pd

LEAST = 50
"""Members, and non-members, that a class must have in every target."""

TOO_FEW = f"fewer than {LEAST} members or non-members in some target"


@dataclass(frozen=True)
class Rates:
    """How often a class is called, by its members and its non-members, target by target."""

    tpr: Resampled
    fpr: Resampled

    @property
    def exposure(self) -> Resampled:
        return self.tpr.minus(self.fpr)


class Classes:
    """The classes of a network's samples, and how often each sample counts."""

    def __init__(self, label: np.ndarray, member: np.ndarray, seed: int) -> None:
        """Of labels [samples] and membership, bool [targets, samples]."""
        self.member = member
        self.numbers = np.unique(label)
        self._place = np.searchsorted(self.numbers, label)
        once = np.ones((1, len(label)), np.int32)
        self._weight = np.concatenate([once, sample_weights(member, seed)]).astype(np.float32)
        # [targets, replicates, classes, members or not]: how many there are
        self._there = np.stack([self._counted(inside, None) for inside in member])
        self.fewest = self._there[:, 0].min(axis=(0, 2))
        self.members = self._there[:, 0, :, 0].min(axis=0).astype(int)

    def rates(self, calls: Calls) -> tuple[list[Rates], Rates]:
        """Of each class, and of all samples together."""
        called = np.stack(
            [self._counted(*each) for each in zip(calls.member, calls.called, strict=True)]
        )
        with np.errstate(invalid="ignore"):
            own = called / self._there
            together = called.sum(axis=2) / self._there.sum(axis=2)
        own = np.where(self._there > 0, own, own[:, :1])  # a resample without any tells nothing
        of_each = [_rates(own[:, :, place]) for place in range(len(self.numbers))]
        return of_each, _rates(together)

    def _counted(self, inside: np.ndarray, called: np.ndarray | None) -> np.ndarray:
        """How much weight, of those called if any are given: [replicates, classes, 2]."""
        some = np.arange(len(inside)) if called is None else np.flatnonzero(called)
        value = np.ones(len(some), np.float32) if called is None else called[some]
        column = 2 * self._place[some] + ~inside[some]
        table = np.zeros((len(some), 2 * len(self.numbers)), np.float32)
        table[np.arange(len(some)), column] = value
        return (self._weight[:, some] @ table).reshape(len(self._weight), -1, 2).astype(np.float64)


def _rates(values: np.ndarray) -> Rates:
    """Of [targets, replicates, members or not]."""
    tpr, fpr = (Resampled(values[:, 0, side], values[:, 1:, side].T) for side in (0, 1))
    return Rates(tpr, fpr)


def limit(nonmembers: int) -> float:
    """The lowest FPR of the study's that so many non-members resolve, else the highest."""
    known = [fpr for fpr in metrics.FPRS if metrics.supports(nonmembers, f"tpr_at_fpr_{fpr:g}")]
    return known[0] if known else metrics.FPRS[-1]


def tabulate(
    classes: Classes, calls: Iterable[Calls], names: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Each class at one variant after the other.

    Args:
        calls: of each variant; the first at full precision.
        names: of the classes, by number.

    Yields:
        For each variant a row a class: columns `label` and `name`, `members` (of the target
        with the fewest); `tpr`, `fpr`, `exposure` (their difference), `difference` (from the
        exposure of all samples), `ratio` (to it; NaN where it may be zero) and `ratio_change` (from
        the ratio at full precision), each with `_low` and `_high` (95%); `p_value` and `q_value` of
        the difference and `ratio_change_p_value`, `ratio_change_q_value`: false discovery rates
        among the classes of the variant; `note`, why all is NaN.
    """
    import pandas as pd

    base: list[Resampled | None] | None = None
    for called in calls:
        of_each, together = classes.rates(called)
        leaks = estimate(together.exposure).low > 0
        ratios = [own.exposure.over(together.exposure) if leaks else None for own in of_each]
        base = ratios if base is None else base
        rows = []
        for place, (own, ratio) in enumerate(zip(of_each, ratios, strict=True)):
            number, enough = int(classes.numbers[place]), classes.fewest[place] >= LEAST
            before = base[place]
            change = ratio.minus(before) if ratio and before and ratio is not before else None
            found = {
                "tpr": own.tpr,
                "fpr": own.fpr,
                "exposure": own.exposure,
                "difference": own.exposure.minus(together.exposure),
                "ratio": ratio,
                "ratio_change": change,
            }
            row: dict[str, object] = {"label": number, "name": names[number]}
            row["members"] = classes.members[place]
            for name, resampled in found.items():
                known = estimate(resampled) if enough and resampled else UNKNOWN
                row |= _columns(name, known)
            rows.append({**row, "note": "" if enough else TOO_FEW})
        table = pd.DataFrame(rows)
        table["q_value"] = _q_values(table["p_value"].to_numpy())
        table["ratio_change_q_value"] = _q_values(table["ratio_change_p_value"].to_numpy())
        yield table


def _columns(name: str, found: Estimate) -> dict[str, object]:
    row: dict[str, object] = {name: found.value}
    row |= {f"{name}_low": found.low, f"{name}_high": found.high}
    if name == "difference":
        row["p_value"] = found.p_value
    if name == "ratio_change":
        row["ratio_change_p_value"] = found.p_value
    return row


def _q_values(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's (1995), among those that are known."""
    found, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        found[known] = stats.false_discovery_control(p[known])
    return found
