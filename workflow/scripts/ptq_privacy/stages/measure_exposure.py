"""Stage: which samples of one network stay exposed at which variant, to each adversary."""

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
from ptq_privacy.measures import exposure, outliers, sample_signal


def measure_exposure(
    scores: Sequence[str | Path],
    logits: Sequence[str | Path],
    full_logits: Sequence[str | Path],
    output: str | Path,
    summary_output: str | Path,
    cells: Sequence[Mapping[str, str]],
    variants: Sequence[str],
    attack: str,
    targets: int,
    models: int,
    attacks: Mapping[str, Mapping[str, Any]],
    seed: int,
    origin: Origin | None = None,
) -> None:
    """Write each sample's exposure and signal at every variant, and what they add up to.

    Full precision has one adversary and is in the table of each.

    Args:
        scores: a file for each cell, a variant and an adversary; the first of `full`.
        logits: as many shards for each of `variants` as hold the targets.
        full_logits: shards of the whole pool of `models` at full precision, which rank the samples.
        attack: the score whose calls count, of one of `attacks`, which holds settings by name.

    Raises:
        ValueError: names the file whose targets or members are not those of the others.
    """
    samples, summaries = [], []
    member = score_files.read(scores[0]).member
    orders = _orders(full_logits, targets, models, member, attack, attacks, seed)
    signals = _signals(logits, variants, member)
    for adversary in dict.fromkeys(cell["adversary"] for cell in cells):
        by_fpr: dict[float, dict] = {fpr: {} for fpr in FPRS}
        for cell, path in zip(cells, scores, strict=True):
            variant = cell["variant"]
            if variant != "full" and cell["adversary"] != adversary:
                continue
            own = score_files.read(path)
            _check(path, own.member, member)
            found = {fpr: exposure.calls(own, attack, fpr) for fpr in FPRS}
            unknown = np.full(len(own.label), np.nan, np.float32)
            signal = signals[variant].mean(axis=0) if signals else unknown
            table = exposure.per_sample(variant, own.label, found, signal)
            table.insert(0, "adversary", adversary)
            samples.append(table)
            for fpr, calls in found.items():
                by_fpr[fpr][variant] = outliers.by_pair(calls)
        for fpr, exposures in by_fpr.items():
            table = outliers.summarize(exposures, signals, orders.get(fpr), member, seed)
            table.insert(0, "fpr", fpr)
            table.insert(0, "adversary", adversary)
            summaries.append(table)
    for path, parts in ((output, samples), (summary_output, summaries)):
        tables.write_frame(path, pd.concat(parts, ignore_index=True), origin)


def _signals(
    logits: Sequence[str | Path], variants: Sequence[str], member: np.ndarray
) -> dict[str, np.ndarray] | None:
    """By variant, each pair's signal of each sample; None where there are too few pairs."""
    found, shards = {}, len(logits) // len(variants)
    for place, variant in enumerate(variants):
        paths = logits[place * shards :][:shards]
        answers = recorded.read(paths, range(len(member)))
        _check(paths[0], answers.member, member)
        signal = sample_signal.of_pairs(answers.phi, member)
        if signal is None:
            return None
        found[variant] = signal
    return found


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
    _check(full_logits[0], pool.member[:targets], member)
    evidence = Evidence.among(pool, range(targets // 2 * 2), seed)
    if targets < 2 or not stand_ins.can_stand_in(evidence):
        return {}
    found = {fpr: np.empty((targets // 2, member.shape[1]), np.int64) for fpr in FPRS}
    for rows, theirs in stand_ins.folds(evidence):
        scores = score(attacks, theirs, [attack])[attack]
        for fpr, orders in found.items():
            orders[rows // 2] = outliers.order(theirs.member, scores, fpr)
    return found


def _check(path: str | Path, member: np.ndarray, expected: np.ndarray) -> None:
    if not np.array_equal(member, expected):
        raise ValueError(f"{path}: its members are not those of the others; remove the older")
