"""What a threshold is worth to an attacker who cannot see the target's own ROC.

A TPR at a false-positive rate reads its threshold off the target's true members. An attacker has
shadow models, and can attack these as if they were the target (`stand_ins`). Two things differ
from the real attack: fewer shadow models, and, to the transfer adversary, stand-ins of full
precision where the target is quantized. How far the threshold is off for both reasons is what
is measured here: the rates that it really gives, and what a call is worth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ptq_privacy.attacks import chooses, score, stand_ins, strongest
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.attacks.metrics import FPRS
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures.intervals import (
    UNKNOWN,
    Estimate,
    Resampled,
    estimate,
    rate,
    sample_weights,
)

if TYPE_CHECKING:
    import pandas as pd

PRIORS = (0.5, 0.1, 0.01)
STAND_INS = 24
"""Of a fold, whose non-members set a threshold: with 2,000 each, 48 lie above one for 0.1 %."""


def calibrate(
    evidence: Evidence,
    attacks: Mapping[str, Mapping[str, Any]],
    wanted: Iterable[str] | None = None,
    candidates: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Each score's thresholds for each target: float64 [targets, FPRS]; call what lies above.

    A threshold lets through at most that share of the non-members of a fold's stand-ins together.
    Errors are those of `stand_ins.folds`.

    Args:
        attacks: their settings by name; those that choose among the others are passed over.
        wanted: as of `attacks.score`.
        candidates: more scores, by the names of `strongest.candidates`.
    """
    found: dict[str, np.ndarray] = {}
    plain = {name: attacks[name] for name in attacks if not chooses(name)}
    for rows, theirs in stand_ins.folds(evidence, models=STAND_INS):
        scores = score(plain, theirs, wanted)
        if missing := set(candidates) - set(scores):
            tried = strongest.candidates(theirs, plain, scores)
            scores |= {name: tried[name] for name in missing}
        outside = ~theirs.member[list(theirs.targets)]
        for name, values in scores.items():
            each = found.setdefault(name, np.empty((len(evidence.targets), len(FPRS))))
            each[rows] = [highest_but(values[outside], fpr) for fpr in FPRS]
    return found


def of_chosen(
    limits: Mapping[str, np.ndarray], chosen: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """The thresholds of scores that were chosen among others, which have scales of their own.

    Args:
        limits: of `calibrate`.
        chosen: by such a score, which one it is for each target.
    """
    return {
        attack: np.stack([limits[name][row] for row, name in enumerate(names)])
        for attack, names in chosen.items()
    }


def highest_but(values: np.ndarray, share: float) -> float:
    """The least of the values that at most `share` of them exceed."""
    allowed = int(share * len(values) * (1 + 1e-9))
    place = max(len(values) - 1 - allowed, 0)
    return float(np.partition(values, place)[place])


def evaluate(scores: Scores, thresholds: Mapping[str, np.ndarray], seed: int) -> pd.DataFrame:
    """What thresholds [targets, FPRS] of each attack give on the targets.

    Returns:
        One row an attack and FPR: columns `attack`, `fpr_limit` (at which it was calibrated),
        `targets`, `threshold_mean` and `threshold_std` (over targets), `fpr` and `tpr` (means over
        targets of the real rates) and for each prior share of members `ppv_{prior}`: of those who
        are called members, the share who are, prior * TPR / (prior * TPR + (1 - prior) * FPR); NaN
        where nobody is called. Each rate and PPV has its 95% interval `_low`, `_high` by
        `intervals`, as far as it is within 0..1, thresholds as they are; where no non-member is
        called, a PPV's lower bound is that of the highest FPR that this allows. `fpr_p_value` is of
        the real FPR's being the limit.
    """
    import pandas as pd

    weight = sample_weights(scores.member, seed).astype(np.float64)
    outside, inside = (int(side.any(axis=0).sum()) for side in (~scores.member, scores.member))
    rows = []
    for attack, limits in thresholds.items():
        for limit, threshold in zip(FPRS, limits.T, strict=True):
            called = scores.attacks[attack] > threshold[:, None]
            fpr, tpr = (_rates(called, side, weight) for side in (~scores.member, scores.member))
            row: dict[str, object] = {
                "attack": attack,
                "fpr_limit": limit,
                "targets": len(scores.member),
                "threshold_mean": float(threshold.mean()),
                "threshold_std": float(threshold.std(ddof=1)) if len(threshold) > 1 else np.nan,
            }
            accused = rate(fpr, outside, limit)
            row |= _with_interval("fpr", accused)
            row["fpr_p_value"] = accused.p_value
            row |= _with_interval("tpr", rate(tpr, inside))
            for prior in PRIORS:
                right, wrong = tpr.scaled(prior), fpr.scaled(1 - prior)
                some = right.mean + wrong.mean > 0
                share = estimate(right.over(right.plus(wrong))) if some else UNKNOWN
                if some and fpr.mean == 0:
                    most = (1 - prior) * accused.high
                    share = share._replace(low=right.mean / (right.mean + most))
                row |= _with_interval(f"ppv_{prior:g}", share)
            rows.append(row)
    return pd.DataFrame(rows)


def _rates(called: np.ndarray, side: np.ndarray, weight: np.ndarray) -> Resampled:
    """The share of one side, bool [targets, samples], that each target calls members."""
    drawn = np.empty((len(weight), len(called)))
    for target, (own, inside) in enumerate(zip(called, side, strict=True)):
        seen = own & inside  # few are called, so few columns count
        drawn[:, target] = weight[:, seen].sum(axis=1) / (weight @ inside)
    return Resampled((called & side).sum(axis=1) / side.sum(axis=1), drawn)


def _with_interval(name: str, found: Estimate) -> dict[str, float]:
    low, high = np.clip([found.low, found.high], 0, 1).tolist()
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}
