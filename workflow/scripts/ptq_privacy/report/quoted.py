"""The metric that a figure quotes: the TPR at the lowest FPR that the non-members resolve.

A false-positive rate of 0.1 % is one false accusation among 1,000 non-members. With fewer of them
a "TPR at 0.1 % FPR" is one at no false accusation at all, and goes by no rate that could be named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ptq_privacy.attacks import metrics


@dataclass(frozen=True)
class Quoted:
    """A metric as figures show it."""

    metric: str  # its name in tables
    title: str
    chance: float  # what guessing reaches, as shown
    scale: float  # from tables to what is shown
    unit: str  # of what is shown
    unit_of_differences: str

    @property
    def label(self) -> str:
        """For an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def digits(self) -> int:
        """Decimals in tables."""
        return 2 if self.unit else 3

    @property
    def fpr(self) -> float | None:
        return metrics.fpr_of(self.metric)

    def values(self, summary: pd.DataFrame) -> np.ndarray:
        """Mean, low and high of each row of the summary as shown, float64 [3, rows]."""
        columns = [f"{self.metric}_{part}" for part in ("mean", "low", "high")]
        return self.scale * summary[columns].to_numpy().T

    def heights(self, summary: pd.DataFrame) -> tuple[float, float]:
        """An upward axis with room for all rows and for chance; rates begin just below none."""
        values = self.values(summary)
        low, high = min(values.min(), self.chance), max(values.max(), self.chance)
        room = 0.06 * (high - low) + 1e-3 * self.scale
        return (-room / 2 if self.unit else low - room), high + room


CHOICES = (
    Quoted("tpr_at_fpr_0.001", "TPR at 0.1 % FPR", 0.1, 100, "%", "points"),
    Quoted("tpr_at_fpr_0.01", "TPR at 1 % FPR", 1, 100, "%", "points"),
    Quoted("auc", "AUC", 0.5, 1, "", "AUC"),
)
"""From the one to be preferred to the one that any non-members resolve."""

AREA = CHOICES[-1]

EXPOSURE_FPR = 0.01
"""At which samples are called exposed, if the non-members resolve it."""


def quoted(nonmembers: int) -> Quoted:
    """The first of `CHOICES` that so many non-members a target resolve."""
    return next(choice for choice in CHOICES if metrics.supports(nonmembers, choice.metric))


def note(nonmembers: int) -> str:
    """Why 0.1 % is not quoted, for people; empty where it is."""
    first = CHOICES[0]
    if metrics.supports(nonmembers, first.metric):
        return ""
    return (
        f"{nonmembers:,} non-members a target do not resolve 0.1 % FPR, which takes 1,000; hence "
        f"{quoted(nonmembers).title}"
    )


def guessing(measure: Quoted, nonmembers: int) -> float:
    """What an attack that knows nothing reaches on average, as shown: `metrics.chance`."""
    return measure.scale * metrics.chance(measure.metric, nonmembers, nonmembers)
