"""Who was trained on what: the audit pool split in halves, a pair of models at a time.

Models 2k and 2k+1 are trained on complementary halves. Pairs are drawn apart from each other, so
any set of whole pairs holds each sample in exactly half of its models, and drawing more models
changes none that exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.study.seeds import generator


def draw(samples: int, models: int, seed: int) -> np.ndarray:
    """Draw the members of each model: bool [models, samples].

    Pair k comes from a stream of its own: model 2k is trained on a random half of the samples
    (rounded down), model 2k+1 on all others.

    Raises:
        ValueError: an odd number of models, fewer than 2 samples or models, or a negative seed.
    """
    if models < 2 or models % 2:
        raise ValueError(f"models: {models} is not an even number of at least 2 (they are paired)")
    if samples < 2:
        raise ValueError(f"samples: {samples}; two halves need at least 2")
    if seed < 0:
        raise ValueError(f"seed: {seed} is negative")
    members = np.zeros((models, samples), bool)
    for pair in range(models // 2):
        order = generator("members", seed, pair).permutation(samples)
        members[2 * pair, order[: samples // 2]] = True
        members[2 * pair + 1] = ~members[2 * pair]
    return members


def write(
    path: str | Path, members: Mapping[int, np.ndarray], origin: Origin | None = None
) -> None:
    """Write each model's members, bool [samples] by model number, as parquet.

    Its columns are `sample`, then one bool column a model in ascending order, `model_0000` on. A
    file may hold a part of a pool, even half a pair.

    Raises:
        ValueError: two models of one pair do not hold complementary halves.
    """
    _check(str(path), members)
    samples = len(next(iter(members.values())))
    columns = {"sample": tables.to_arrow(np.arange(samples, dtype=np.int32))}
    columns |= {_column(model): tables.to_arrow(members[model]) for model in sorted(members)}
    tables.write(path, pa.table(columns), origin)


def read(path: str | Path) -> dict[int, np.ndarray]:
    """Read what `write` wrote: bool [samples] by model number, ascending.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged or does not hold halves of the samples.
    """
    table = tables.read(path)
    names = table.column_names
    models = [int(name[6:]) for name in names[1:] if re.fullmatch(r"model_\d{4,}", name)]
    if names != ["sample", *map(_column, sorted(set(models)))]:
        raise ValueError(f"{path}: columns are not sample, then model_NNNN in ascending order")
    if not np.array_equal(tables.to_numpy(table["sample"]), np.arange(table.num_rows)):
        raise ValueError(f"{path}: column sample is not 0, 1, 2, ... in order")
    members = {model: tables.to_numpy(table[_column(model)]) for model in models}
    _check(str(path), members)
    return members


def _check(path: str, members: Mapping[int, np.ndarray]) -> None:
    if not members or any(row.dtype != np.bool_ or row.ndim != 1 for row in members.values()):
        raise ValueError(f"{path}: membership must be bool [samples] of one model or more")
    for model in members:
        partner = model ^ 1
        if partner in members and (members[model] == members[partner]).any():
            first = min(model, partner)
            raise ValueError(
                f"{path}: models {first} and {first + 1} do not hold complementary halves"
            )


def _column(model: int) -> str:
    return f"model_{model:04d}"
