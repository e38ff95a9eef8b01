"""Which samples a model gives away: how often each is caught, over the targets.

A sample is caught by a target where it is a member and its score reaches the target's threshold at
0.1% or 1% FPR (as in `metrics.tpr_at_fpr`), and called falsely where it reaches it as a non-member.
Exposure is the difference of the two rates. A rate alone would mix what a model remembers with
what is hard about the sample. Nor would an AUC over the targets do: they are each other's shadow
models, so a sample's high value as a target is missing among its rivals' shadow models, and where
nothing leaks a sample's AUC lies below 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.files.scores import Scores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Calls:
    """Who is called a member of which target at one FPR."""

    member: np.ndarray  # bool [targets, samples]
    called: np.ndarray  # bool [targets, samples]


def calls(scores: Scores, attack: str, fpr: float) -> Calls:
    """Every target's calls by one attack, at the target's own threshold.

    Raises:
        ValueError: the scores lack the attack.
    """
    if attack not in scores.attacks:
        raise ValueError(f"attack {attack!r} is not among {', '.join(scores.attacks)}")
    return called(scores.member, scores.attacks[attack], fpr)


def called(member: np.ndarray, score: np.ndarray, fpr: float) -> Calls:
    """Calls of models by scores [models, samples], at each model's own threshold."""
    each = [metrics.called_at_fpr(*model, fpr) for model in zip(member, score, strict=True)]
    return Calls(member, np.stack(each))


def per_sample(variant: str, label: np.ndarray, of_fpr: dict[float, Calls]) -> pd.DataFrame:
    """One row a sample.

    Returns:
        Columns `variant`, `sample`, `label`, `targets_in` and `targets_out` (in which it is a
        member, and not), and for each FPR `caught_{fpr}` and `false_{fpr}`: the share of the one
        and of the other in which it is called a member, NaN where there are none.
    """
    import pandas as pd

    member = next(iter(of_fpr.values())).member
    targets_in, targets_out = member.sum(axis=0), (~member).sum(axis=0)
    table = pd.DataFrame(
        {
            "variant": variant,
            "sample": np.arange(len(label), dtype=np.int32),
            "label": label,
            "targets_in": targets_in.astype(np.int16),
            "targets_out": targets_out.astype(np.int16),
        }
    )
    for fpr, found in of_fpr.items():
        with np.errstate(invalid="ignore"):
            table[f"caught_{fpr:g}"] = (found.called & member).sum(axis=0) / targets_in
            table[f"false_{fpr:g}"] = (found.called & ~member).sum(axis=0) / targets_out
    return table
