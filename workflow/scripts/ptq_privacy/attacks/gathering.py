"""Evidence from logit files: of one variant, as one adversary has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ptq_privacy.answers import recorded
from ptq_privacy.answers.recorded import Answers
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.study.adversaries import ADVERSARIES


def gather(
    logits: Mapping[str, Sequence[str | Path]],
    variant: str,
    adversary: str,
    targets: int,
    models: int,
    seed: int,
) -> tuple[Evidence, Answers]:
    """Read what an adversary of models 0..targets-1 at a variant has.

    Args:
        logits: shards by variant, and by variant/draw-n for its further draws: of a whole pool of
            `models`, or of the targets alone at a variant that he has of these only. Others are
            passed over.

    Returns:
        The evidence, and what the targets answered at the variant.

    Raises:
        ValueError: two variants' shards disagree about the samples or about who is a member.
    """
    has = ADVERSARIES[adversary]
    pool: dict[str, list[Answers]] = {}
    for name in has.of_pool(variant):
        drawn = [s for s in logits if s.partition("/")[0] == name]
        chosen = drawn if has.draws else drawn[:1]
        pool[name] = [recorded.read(logits[stored], range(models)) for stored in chosen]
    attacked = {
        name: _first(pool[name][0], targets)
        if name in pool
        else recorded.read(logits[name], range(targets))
        for name in has.of_targets(variant)
    }
    own = attacked[variant]
    for name, draws in pool.items():
        for answers in draws:
            if not np.array_equal(own.label, answers.label) or not np.array_equal(
                own.member, answers.member[:targets]
            ):
                raise ValueError(
                    f"{logits[variant][0]} and {logits[name][0]} disagree about samples or "
                    "members; remove the older of the two"
                )
    return Evidence.gathered(attacked, pool, seed), own


def _first(answers: Answers, models: int) -> Answers:
    return Answers(
        models=answers.models[:models],
        phi=answers.phi[:models],
        correct=answers.correct[:models],
        label=answers.label,
        member=answers.member[:models],
    )
