"""Does calibration leak? Members that a model was quantized with, against its other members.

A quantizer sees its calibration samples once more, after training. If they are easier to tell from
non-members than the model's other members are, quantization itself gives something away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.measures.intervals import (
    interval,
    mean_over,
    p_value,
    target_draws,
    weights_in_chunks,
)

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
VERTICES_PER_CHUNK = 2**17


def compare(
    member: np.ndarray, calibrated: np.ndarray, score: np.ndarray, seed: int, replicates: int
) -> pd.DataFrame:
    """Both kinds of members against the same non-members.

    Args:
        member: bool [targets, samples].
        calibrated: bool [targets, samples], members all.
        score: [targets, samples], of one attack.

    Returns:
        One row a metric of `SHOWN`: columns `metric`, `calibration` and `other` (means over
        targets), `difference` (of the two) with `low`, `high` (95%) and `p_value`, over targets
        and samples, resampled as in `leakage`; `targets`, `calibration_samples`, `supported`, and
        `note`: why all is NaN where every member serves as a calibration sample.

    Raises:
        ValueError: calibration samples that are not members, or a target without any.
    """
    import pandas as pd

    if (calibrated & ~member).any() or not calibrated.any(axis=1).all():
        raise ValueError("calibrated: expected some members of each target, and members alone")
    nonmembers = int((~member).sum(axis=1).min())
    known = {
        "targets": len(member),
        "calibration_samples": int(calibrated.sum(axis=1).min()),
    }
    if not (member & ~calibrated).any(axis=1).all():
        values = {name: np.full((2, replicates + 1), np.nan) for name in SHOWN}
        note = "every member is a calibration sample"
    else:
        values, note = _both(member, calibrated, score, seed, replicates), ""
    rows = []
    for name, (of_calibration, of_others) in values.items():
        difference = of_calibration - of_others
        low, high = interval(difference[1:])
        rows.append(
            {
                "metric": name,
                "calibration": of_calibration[0],
                "other": of_others[0],
                "difference": difference[0],
                "low": low,
                "high": high,
                "p_value": p_value(difference[1:]),
                **known,
                "supported": metrics.supports(nonmembers, name),
                "note": note,
            }
        )
    return pd.DataFrame(rows)


def _both(
    member: np.ndarray, calibrated: np.ndarray, score: np.ndarray, seed: int, replicates: int
) -> dict[str, np.ndarray]:
    """By metric [calibration or other, 1 + replicates]: first the means as they are."""
    targets, samples = member.shape
    ranked = [_ranked(*target) for target in zip(member, calibrated, score, strict=True)]
    each = np.empty((len(SHOWN), 2, replicates + 1, targets))
    # A draw without a calibration sample, or without another member, is drawn again as well.
    classes = np.concatenate([member, calibrated, member & ~calibrated])
    chunk = max(1, VERTICES_PER_CHUNK // samples)
    drawn = weights_in_chunks(classes, seed, replicates, chunk)
    for rows, weight in [(slice(-1, 0), np.ones((1, samples))), *drawn]:
        rows = slice(rows.start + 1, rows.stop + 1)
        for target, known in enumerate(ranked):
            each[..., rows, target] = _measured(known, weight)
    draws = target_draws(targets, seed, replicates)
    return {
        name: np.stack([np.append(side[0].mean(), mean_over(draws, side[1:])) for side in sides])
        for name, sides in zip(SHOWN, each, strict=True)
    }


@dataclass(frozen=True)
class _Ranked:
    """A target's members and non-members, each from the highest score to the lowest."""

    outside: np.ndarray  # int [non-members], sample numbers
    inside: np.ndarray  # int [members], sample numbers
    sides: np.ndarray  # float64 [members, 2], 1 or 0: a calibration sample, another member
    higher: np.ndarray  # int [members]: how many non-members have higher scores
    as_high: np.ndarray  # int [members]: how many have scores as high or higher


def _ranked(member: np.ndarray, calibrated: np.ndarray, score: np.ndarray) -> _Ranked:
    order = np.argsort(-score, kind="stable")
    outside, inside = order[~member[order]], order[member[order]]
    places = [np.searchsorted(-score[outside], -score[inside], side) for side in ("left", "right")]
    sides = np.stack([calibrated[inside], ~calibrated[inside]], axis=1).astype(np.float64)
    return _Ranked(outside, inside, sides, *places)


def _measured(known: _Ranked, weight: np.ndarray) -> np.ndarray:
    """`SHOWN` of both sides by the definitions of `metrics`: [metrics, 2, replicates].

    Both sides share their non-members, so one running sum of these answers for all.
    """
    own = weight[:, known.inside]
    total = own @ known.sides
    count = np.zeros((len(weight), len(known.outside) + 1))  # weight of the k highest non-members
    np.cumsum(weight[:, known.outside], axis=1, out=count[:, 1:])
    higher, as_high = count[:, known.higher], count[:, known.as_high]
    found = np.empty((len(SHOWN), 2, len(weight)))
    for place, name in enumerate(SHOWN):
        fpr = metrics.fpr_of(name)
        if fpr is None:
            area = (own * (higher + as_high)) @ known.sides / (2 * count[:, -1:])
            found[place] = (1 - area / total).T
            continue
        limit = fpr * (1 + 1e-9)
        if metrics.supports(len(known.outside), name):
            called = as_high <= limit * count[:, -1:]
        else:  # the highest non-member stays where it is: see `leakage`
            called = (known.as_high <= limit * len(known.outside))[None]
        found[place] = ((own * called) @ known.sides / total).T
    return found
