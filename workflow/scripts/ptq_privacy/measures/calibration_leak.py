"""Does calibration leak? Members that a model was quantized with, against its other members.

A quantizer sees its calibration samples once more, after training. An attacker may ask two things.
Are they easier to tell from non-members than the model's other members are? And, where he has the
model at full precision as well, do they stand out by how little their answers changed? A quantizer
that fits the outputs on its calibration samples changes these least. The second question takes no
non-members and no shadow models, and compares each sample with itself, so it finds far weaker
traces. If quantization does not depend on which members it was calibrated with, any other set of as
many members would stand out as much: such *placebo sets* are its null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.metrics import METRICS
from ptq_privacy.measures.intervals import UNKNOWN, Resampled, estimate, sample_weights
from ptq_privacy.study.seeds import generator

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
CHANGE = "auc_of_change"
EVERY = "every member is a calibration sample"
PLACEBOS = 100
VERTICES_PER_CHUNK = 2**17


def weights(member: np.ndarray, calibrated: np.ndarray, seed: int) -> np.ndarray:
    """How often each sample counts: int32 [1 + replicates, samples], at first once each.

    Args:
        member: bool [targets, samples].
        calibrated: bool [targets, samples], members all.

    Raises:
        ValueError: calibration samples that are not members, or a target without any.
    """
    if (calibrated & ~member).any() or not calibrated.any(axis=1).all():
        raise ValueError("calibrated: expected some members of each target, and members alone")
    others = member & ~calibrated  # a draw without any of a kind is drawn again
    classes = np.concatenate([member, calibrated, others[others.any(axis=1)]])
    once = np.ones((1, member.shape[1]), np.int32)
    return np.concatenate([once, sample_weights(classes, seed)])


def compare(
    member: np.ndarray, calibrated: np.ndarray, score: np.ndarray, weight: np.ndarray
) -> pd.DataFrame:
    """Both kinds of members against the same non-members.

    Args:
        member, calibrated: as of `weights`, which gave `weight`.
        score: [targets, samples], of one attack.

    Returns:
        One row a metric of `SHOWN`: columns `metric`, `calibration` and `other` (means over
        targets), `difference` (of the two) with `low`, `high` (95%) and `p_value` by `intervals`;
        `targets`, `calibration_samples`, `supported`, and `note`: why all is NaN where every member
        serves as a calibration sample.
    """
    import pandas as pd

    known, some = _known(member, calibrated)
    nonmembers = int((~member).sum(axis=1).min())
    values = _both(member, calibrated, score, weight) if some else {}
    rows = []
    for name in SHOWN:
        sides = values.get(name)
        found = estimate(sides[0].minus(sides[1])) if sides else UNKNOWN
        rows.append(
            {
                "metric": name,
                "calibration": sides[0].mean if sides else np.nan,
                "other": sides[1].mean if sides else np.nan,
                "difference": found.value,
                "low": found.low,
                "high": found.high,
                "p_value": found.p_value,
                **known,
                "supported": metrics.supports(nonmembers, name),
            }
        )
    return pd.DataFrame(rows)


def compare_changes(
    member: np.ndarray, calibrated: np.ndarray, change: np.ndarray, weight: np.ndarray, seed: int
) -> pd.DataFrame:
    """Calibration samples against other members by how little their answers changed.

    Args:
        member, calibrated, weight: as of `compare`.
        change: float [targets, samples], how far quantization moved phi, without its sign.
        seed: of the placebo sets.

    Returns:
        A row as `compare`'s, of the metric `auc_of_change`: `calibration` is the chance that a
        calibration sample changed less than another member, `other` 0.5, that of the other members
        among themselves; besides, `placebo_mean` and `placebo_deviation` of the same mean over
        targets with random members in the calibration samples' place.
    """
    import pandas as pd

    known, some = _known(member, calibrated)
    found, placebo = UNKNOWN, np.full(1, np.nan)
    if some:
        each = np.empty((len(weight), len(member)))
        placebos = np.empty((PLACEBOS, len(member)))
        for target, inside in enumerate(member):
            chosen, little = calibrated[target, inside], -change[target, inside]
            ranked = metrics.rank(chosen, little)
            for rows in _chunks(len(weight), len(little)):
                each[rows, target] = _auc(ranked, weight[rows][:, inside])
            drawn = generator("placebo calibration", seed, target)
            placebos[:, target] = _aucs_of_random_sets(little, int(chosen.sum()), drawn)
        found = estimate(Resampled(each[0], each[1:]).scaled(1, -0.5))
        placebo = placebos.mean(axis=1)
    row = {
        "metric": CHANGE,
        "calibration": 0.5 + found.value,
        "other": 0.5 if some else np.nan,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "placebo_mean": float(placebo.mean()),
        "placebo_deviation": float(placebo.std()),
        **known,
        "supported": True,
    }
    return pd.DataFrame([row])


def _known(member: np.ndarray, calibrated: np.ndarray) -> tuple[dict[str, object], bool]:
    """What all rows say, and whether there are other members to compare with."""
    some = bool((member & ~calibrated).any(axis=1).all())
    known = {
        "targets": len(member),
        "calibration_samples": int(calibrated.sum(axis=1).min()),
        "note": "" if some else EVERY,
    }
    return known, some


def _auc(ranked: metrics.Ranking, weight: np.ndarray) -> np.ndarray:
    return METRICS["auc"](*metrics.curve(ranked, weight), len(ranked.order))


def _aucs_of_random_sets(values: np.ndarray, size: int, drawn: np.random.Generator) -> np.ndarray:
    """The AUC of random sets of so many of the values against the rest: [PLACEBOS]."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1, equals share theirs
    sums = [ranks[drawn.permutation(len(ranks))[:size]].sum() for _ in range(PLACEBOS)]
    return (np.array(sums) - size * (size + 1) / 2) / (size * (len(ranks) - size))


def _chunks(replicates: int, samples: int) -> list[slice]:
    step = max(1, VERTICES_PER_CHUNK // samples)
    return [slice(start, start + step) for start in range(0, replicates, step)]


def _both(
    member: np.ndarray, calibrated: np.ndarray, score: np.ndarray, weight: np.ndarray
) -> dict[str, tuple[Resampled, Resampled]]:
    """By metric, each target's values of its calibration samples and of its other members."""
    targets, samples = member.shape
    each = np.empty((len(SHOWN), 2, len(weight), targets))
    ranked = [_ranked(*target) for target in zip(member, calibrated, score, strict=True)]
    for rows in _chunks(len(weight), samples):
        own = weight[rows].astype(np.float64)
        for target, known in enumerate(ranked):
            each[..., rows, target] = _measured(known, own)
    return {
        name: (Resampled(sides[0, 0], sides[0, 1:]), Resampled(sides[1, 0], sides[1, 1:]))
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
        called = as_high <= fpr * (1 + 1e-9) * count[:, -1:]
        found[place] = ((own * called) @ known.sides / total).T
    return found
