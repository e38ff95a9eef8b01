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
from ptq_privacy.attacks import score
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import leakage
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
    """Write each target's metrics, means over draws, by number of shadow models and attack.

    One row a (number of shadow models, attack, replicate, target): replicate 0 is of the samples as
    they are, the others of resampled ones, as in `measures.leakage`.

    Numbers of shadow models are 2, 4, 8, ... and all of them. There are `DRAWS` draws of each but
    the last, which leaves no choice. A draw orders the pairs that are not the target's own by a
    stream of its own and takes the first ones, so its sets are nested; both models of a pair of
    targets are attacked with the same sets.

    Args:
        logits: shards of the whole pool at full precision.
        targets, models, attacks: as for `score_attacks`.
    """
    pool = recorded.read(logits, range(models))
    weight = leakage.weights(pool.member[:targets], seed)
    nonmembers = int((~pool.member[:targets]).sum(axis=1).min())
    total: dict[tuple[int, str], np.ndarray] = {}  # [metrics, weights, targets]
    draws: dict[int, np.ndarray] = {}  # [targets]
    for attacked, _, chosen in _sets(targets, models, seed):
        evidence = Evidence(
            targets=tuple(chosen.index(target) for target in attacked),
            member=pool.member[chosen],
            target_phi={"full": pool.phi[attacked]},
            pool_phi={"full": pool.phi[chosen][:, None]},
            target_correct={"full": pool.correct[attacked]},
            pool_correct={"full": pool.correct[chosen][:, None]},
        )
        size = len(chosen) - 2
        draws.setdefault(size, np.zeros(targets))[attacked] += 1
        for attack, values in score(attacks, evidence).items():
            own = total.setdefault((size, attack), np.zeros((len(METRICS), len(weight), targets)))
            for target, scored in zip(attacked, values, strict=True):
                own[..., target] += leakage.of_target(
                    pool.member[target], scored, weight, nonmembers, METRICS
                )
    place = np.indices((len(weight), targets), np.int32).reshape(2, -1)
    parts = []
    for (size, attack), own in sorted(total.items(), key=lambda item: item[0][0]):
        known = {"shadow_models": size, "attack": attack, "replicate": place[0]}
        means = (own / draws[size]).reshape(len(METRICS), -1)
        parts.append(
            pd.DataFrame({**known, "target": place[1], **dict(zip(METRICS, means, strict=True))})
        )
    tables.write_frame(output, pd.concat(parts, ignore_index=True), origin)


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
