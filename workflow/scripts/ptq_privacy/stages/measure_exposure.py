"""Stage: which samples stay exposed at which variant of one network, under one adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ptq_privacy.answers import recorded
from ptq_privacy.attacks import score, stand_ins
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.attacks.metrics import FPRS
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import exposure, outliers
from ptq_privacy.measures.intervals import REPLICATES


def measure_exposure(
    scores: Mapping[str, str | Path],
    output: str | Path,
    summary_output: str | Path,
    full_logits: Sequence[str | Path],
    attack: str,
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write each sample's exposure at every variant, and what it adds up to.

    Args:
        scores: score files by variant, `full` among them.
        full_logits: shards of the whole pool of `models` at full precision, which rank the samples.
        attack: the score whose calls count, of one of `attacks`, which holds settings by name.

    Raises:
        ValueError: names the file whose targets or members are not those of the others.
    """
    samples, summaries = [], []
    by_fpr: dict[float, dict] = {fpr: {} for fpr in FPRS}
    full = score_files.read(scores["full"])
    for variant, path in scores.items():
        own = score_files.read(path)
        if own.targets != full.targets or (own.member != full.member).any():
            raise ValueError(f"{path}: its targets or members are not those of {scores['full']}")
        found = {fpr: exposure.calls(own, attack, fpr) for fpr in FPRS}
        samples.append(exposure.per_sample(variant, own.label, found))
        for fpr, calls in found.items():
            by_fpr[fpr][variant] = outliers.by_pair(calls)
    orders = _orders(full_logits, targets, models, full.member, attack, attacks, seed)
    for fpr, exposures in by_fpr.items():
        table = outliers.summarize(exposures, orders.get(fpr), full.member, seed, REPLICATES)
        table.insert(0, "fpr", fpr)
        summaries.append(table)
    for path, parts in ((output, samples), (summary_output, summaries)):
        tables.write_frame(path, pd.concat(parts, ignore_index=True), origin)


def _orders(
    full_logits: Sequence[str | Path],
    targets: int,
    models: int,
    member: np.ndarray,
    attack: str,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
) -> dict[float, np.ndarray]:
    """By FPR, the samples as the stand-ins of each whole pair of targets rank them."""
    pool = recorded.read(full_logits, range(models))
    if not np.array_equal(member, pool.member[:targets]):
        raise ValueError(f"{full_logits[0]}: members are not those of the scores; remove both")
    evidence = Evidence.among(pool, range(targets // 2 * 2), seed)
    if targets < 2 or not stand_ins.can_stand_in(evidence):
        return {}
    found = {fpr: np.empty((targets // 2, member.shape[1]), np.int64) for fpr in FPRS}
    for rows, theirs in stand_ins.folds(evidence):
        scores = score(attacks, theirs, [attack])[attack]
        for fpr, orders in found.items():
            orders[rows // 2] = outliers.order(theirs.member, scores, fpr)
    return found
