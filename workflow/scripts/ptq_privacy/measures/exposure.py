"""Which samples a model gives away: how often each is caught, over the targets.

A sample is caught by a target where it is a member and is called one at 0.1% or 1% FPR, and called
falsely where it is called one as a non-member. Exposure is the difference of the two rates. A rate
alone would mix what a model remembers with what is hard about the sample. Nor would an AUC over the
targets do: they are each other's shadow models, so a sample's high value as a target is missing
among its rivals' shadow models, and where nothing leaks a sample's AUC lies below 0.5.

The threshold must not see whether the sample itself is a member. The ROC's does: of n non-members
it lets k through, and a member need only outscore the others of them, so that where nothing leaks
it is called in k + 1 of n + 1 cases and a non-member in k of n. Here every sample is compared with
n - 1 non-members, itself left out if it is one, a random one of them if not (all of which are
averaged). Where nothing leaks, both are then called equally often, exactly as often as the FPR
says: a sample that may or may not lie above the threshold, n FPR being no whole number, counts with
the chance that it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.files.scores import Scores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Calls:
    """Who is called a member of which target at one FPR."""

    member: np.ndarray  # bool [targets, samples]
    called: np.ndarray  # float32 [targets, samples], the chance of it


def calls(scores: Scores, attack: str, fpr: float) -> Calls:
    """Every target's calls by one attack.

    Raises:
        ValueError: the scores lack the attack.
    """
    if attack not in scores.attacks:
        raise ValueError(f"attack {attack!r} is not among {', '.join(scores.attacks)}")
    return called(scores.member, scores.attacks[attack], fpr)


def called(member: np.ndarray, score: np.ndarray, fpr: float) -> Calls:
    """Calls of models by scores [models, samples], each among its model's non-members."""
    each = [_chance(*model, fpr) for model in zip(member, score, strict=True)]
    return Calls(member, np.stack(each))


def _chance(member: np.ndarray, score: np.ndarray, fpr: float) -> np.ndarray:
    """The chance that each sample of one model is called, float32 [samples]."""
    outside = np.sort(score[~member])
    count = len(outside)
    # Other non-members that score as high or higher; of a member's, one less if it is left out.
    above = count - np.searchsorted(outside, score, side="left") - ~member
    so_many, one_less = (np.clip(count * fpr - rivals, 0, 1) for rivals in (above, above - 1))
    left_out = np.where(member, above / count, 0)
    return (so_many + left_out * (one_less - so_many)).astype(np.float32)


def per_sample(
    variant: str, label: np.ndarray, of_fpr: dict[float, Calls], signal: np.ndarray
) -> pd.DataFrame:
    """One row a sample.

    Args:
        signal: of each sample, float [samples].

    Returns:
        Columns `variant`, `sample`, `label`, `targets_in` and `targets_out` (in which it is a
        member, and not), `signal`, and for each FPR `caught_{fpr}` and `false_{fpr}`: the share of
        the one and of the other in which it is called a member, NaN where there are none.
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
            "signal": signal,
        }
    )
    for fpr, found in of_fpr.items():
        with np.errstate(invalid="ignore"):
            caught = np.where(found.member, found.called, 0).sum(axis=0, dtype=np.float64)
            wrong = np.where(found.member, 0, found.called).sum(axis=0, dtype=np.float64)
            table[f"caught_{fpr:g}"] = caught / targets_in
            table[f"false_{fpr:g}"] = wrong / targets_out
    return table
