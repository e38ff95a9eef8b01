"""Stage: how much each attack finds with fewer shadow models than the pool has.

Every target is attacked at full precision with random sets of whole pairs out of the others', so a
set of n models tells what a study with n shadow models would have found, at no further training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ptq_privacy.answers import recorded
from ptq_privacy.answers.recorded import Answers
from ptq_privacy.attacks import metrics, score
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.study.seeds import generator

METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")
DRAWS = 4


def sweep_shadow_models(
    logits: Sequence[str | Path],
    output: str | Path,
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write one row a (number of shadow models, draw, target, attack) with the target's metrics.

    Numbers of shadow models are 2, 4, 8, ... and all of them. There are `DRAWS` draws of each but
    the last, which leaves no choice. A draw orders the pairs that are not the target's own by a
    stream of its own and takes the first ones, so its sets are nested; both models of a pair of
    targets are attacked with the same sets.

    Args:
        logits: shards of the whole pool at full precision.
        targets, models, attacks: as for `score_attacks`.
    """
    pool = recorded.read(logits, range(models))
    rows = []
    for attacked, draw, chosen in _sets(targets, models, seed):
        evidence = Evidence.of(
            pool.phi[attacked],
            pool.phi[chosen],
            pool.member[chosen],
            [chosen.index(target) for target in attacked],
        )
        for attack, values in score(attacks, evidence).items():
            for target, own in zip(attacked, values, strict=True):
                row = {"shadow_models": len(chosen) - 2, "draw": draw, "target": target}
                rows.append(row | {"attack": attack} | _measured(pool, target, own))
    order = ["shadow_models", "draw", "target"]
    table = pd.DataFrame(rows).sort_values(order, kind="stable", ignore_index=True)
    tables.write_frame(output, table, origin)


def sizes(shadow_models: int) -> list[int]:
    """2, 4, 8, ... below `shadow_models`, and that number itself."""
    powers = [2**k for k in range(1, shadow_models.bit_length())]
    return [size for size in powers if size < shadow_models] + [shadow_models]


def _sets(targets: int, models: int, seed: int) -> Iterator[tuple[list[int], int, list[int]]]:
    """Yield (targets of one pair, draw, their pair and its shadow models, ascending)."""
    for pair in range((targets + 1) // 2):
        attacked = [model for model in (2 * pair, 2 * pair + 1) if model < targets]
        others = np.setdiff1d(np.arange(models // 2), [pair])
        for draw in range(DRAWS):
            order = generator("shadow sweep", seed, pair, draw).permutation(others)
            for size in sizes(models - 2):
                if size < models - 2 or draw == 0:
                    pairs = sorted([pair, *order[: size // 2].tolist()])
                    yield attacked, draw, [model for p in pairs for model in (2 * p, 2 * p + 1)]


def _measured(pool: Answers, target: int, score: np.ndarray) -> dict[str, float]:
    curve = metrics.roc(pool.member[target], score)
    nonmembers = int((~pool.member[target]).sum())
    return {name: float(metrics.METRICS[name](*curve, nonmembers)) for name in METRICS}
