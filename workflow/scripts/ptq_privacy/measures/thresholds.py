"""What a threshold is worth to an attacker who cannot see the target's own ROC.

A TPR at a false-positive rate reads its threshold off the target's true members. An attacker has
shadow models, and can attack these as if they were the target (`stand_ins`). Two things differ
from the real attack: one pair of shadow models fewer, and, to the transfer adversary, stand-ins of
full precision where the target is quantized. How far the threshold is off for both reasons is what
is measured here: the rates that it really gives, and what a call is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ptq_privacy.attacks.metrics import FPRS
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import stand_ins
from ptq_privacy.measures.intervals import interval, mean_over, sample_weights, target_draws

if TYPE_CHECKING:
    import pandas as pd

PRIORS = (0.5, 0.1, 0.01)
REPLICATES_PER_CHUNK = 16


def calibrate(
    pool_phi: np.ndarray,
    member: np.ndarray,
    targets: Sequence[int],
    attacks: Mapping[str, Mapping[str, Any]],
) -> dict[str, np.ndarray]:
    """Each attack's thresholds for each target: float64 [targets, FPRS]; call what lies above.

    A threshold lets through at most that share of the non-members of all stand-ins together.
    Arguments and errors are those of `stand_ins.attacked`.
    """
    found: dict[str, np.ndarray] = {}
    pair_of = np.asarray(targets) // 2
    for pair, inside, scores in stand_ins.attacked(pool_phi, member, targets, attacks):
        for attack, values in scores.items():
            each = found.setdefault(attack, np.empty((len(targets), len(FPRS))))
            each[pair_of == pair] = [highest_but(values[~inside], fpr) for fpr in FPRS]
    return found


def highest_but(values: np.ndarray, share: float) -> float:
    """The least of the values that at most `share` of them exceed."""
    allowed = int(share * len(values) * (1 + 1e-9))
    place = max(len(values) - 1 - allowed, 0)
    return float(np.partition(values, place)[place])


def evaluate(
    scores: Scores, thresholds: Mapping[str, np.ndarray], seed: int, replicates: int
) -> pd.DataFrame:
    """What thresholds [targets, FPRS] of each attack give on the targets.

    Returns:
        One row an attack and FPR: columns `attack`, `fpr_limit` (at which it was calibrated),
        `targets`, `threshold_mean` and `threshold_std` (over targets), `fpr` and `tpr` (means over
        targets of the real rates) and for each prior share of members `ppv_{prior}`: of those who
        are called members, the share who are, prior * TPR / (prior * TPR + (1 - prior) * FPR).
        Each rate and PPV has its 95% interval `_low`, `_high` over targets and samples, thresholds
        as they are; NaN where nobody is called, in a replicate or at all.
    """
    import pandas as pd

    member = scores.member
    cells = [(attack, k) for attack in thresholds for k in range(len(FPRS))]
    called = np.stack(
        [scores.attacks[attack] > thresholds[attack][:, [k]] for attack, k in cells]
    )  # [cells, targets, samples]
    sides = {"fpr": ~member, "tpr": member}
    points = {
        side: (called & chosen).sum(axis=2) / chosen.sum(axis=1) for side, chosen in sides.items()
    }
    each = {side: np.empty((len(cells), replicates, len(member))) for side in sides}
    for rows, weight in sample_weights(member, seed, replicates, REPLICATES_PER_CHUNK):
        for side, chosen in sides.items():
            for target, inside in enumerate(chosen):
                total = weight @ inside
                seen = called[:, target] & inside
                some = seen.any(axis=0)  # few are called, so few columns count
                share = weight[:, some] @ seen[:, some].T.astype(np.float64)
                each[side][:, rows, target] = (share / total[:, None]).T
    drawn = target_draws(len(member), seed, replicates)
    table = []
    for cell, (attack, k) in enumerate(cells):
        rates = {side: float(points[side][cell].mean()) for side in sides}
        resampled = {side: mean_over(drawn, each[side][cell]) for side in sides}
        threshold = thresholds[attack][:, k]
        row: dict[str, object] = {
            "attack": attack,
            "fpr_limit": FPRS[k],
            "targets": len(member),
            "threshold_mean": float(threshold.mean()),
            "threshold_std": float(threshold.std(ddof=1)) if len(threshold) > 1 else np.nan,
        }
        for side in sides:
            row |= _with_interval(side, rates[side], resampled[side])
        for prior in PRIORS:
            row |= _with_interval(f"ppv_{prior:g}", _ppv(rates, prior), _ppv(resampled, prior))
        table.append(row)
    return pd.DataFrame(table)


def _ppv(rates: Mapping, prior: float) -> np.ndarray:
    right, wrong = (
        prior * np.asarray(rates["tpr"]),
        (1 - prior) * np.asarray(rates["fpr"]),
    )
    with np.errstate(invalid="ignore"):
        return right / (right + wrong)


def _with_interval(
    name: str, estimate: float | np.ndarray, replicates: np.ndarray
) -> dict[str, float]:
    low, high = interval(replicates)
    return {name: float(estimate), f"{name}_low": low, f"{name}_high": high}
