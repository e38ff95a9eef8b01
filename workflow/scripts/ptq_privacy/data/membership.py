"""Who was trained on what: the audit pool split in halves, a pair of models at a time.

Models 2k and 2k+1 are trained on complementary halves. Pairs are drawn apart from each other, so
any set of whole pairs holds each sample in exactly half of its models, and drawing more models
changes none that exist.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ptq_privacy.data.files import replacing


def draw(samples: int, models: int, seed: int) -> np.ndarray:
    """Draw the members of each model: bool [models, samples].

    Pair k comes from a generator seeded with (seed, k): model 2k is trained on a random half of
    the samples (rounded down), model 2k+1 on all others.

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
        order = np.random.default_rng((seed, pair)).permutation(samples)
        members[2 * pair, order[: samples // 2]] = True
        members[2 * pair + 1] = ~members[2 * pair]
    return members


def write(path: str | Path, members: np.ndarray) -> None:
    """Write bool [models, samples] as parquet: column `sample`, then one column a model."""
    _check_pairs(str(path), members)
    columns = {"sample": pa.array(np.arange(members.shape[1], dtype=np.int32))}
    columns |= {_column(model): pa.array(row) for model, row in enumerate(members)}
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read(path: str | Path) -> np.ndarray:
    """Read what `write` wrote: bool [models, samples].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged or does not hold pairs of models.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: not a whole parquet file ({error})") from None
    expected = ["sample", *(_column(model) for model in range(table.num_columns - 1))]
    if table.column_names != expected:
        raise ValueError(
            f"{path}: columns are not sample, {_column(0)}, {_column(1)}, ... in order"
        )
    if not np.array_equal(table["sample"].to_numpy(), np.arange(table.num_rows)):
        raise ValueError(f"{path}: column sample is not 0, 1, 2, ... in order")
    members = np.array([column.to_numpy() for column in table.columns[1:]])
    _check_pairs(str(path), members)
    return members


def _check_pairs(path: str, members: np.ndarray) -> None:
    if members.dtype != np.bool_ or members.ndim != 2 or len(members) % 2 or not len(members):
        raise ValueError(f"{path}: membership must be bool [models, samples], models paired")
    unpaired = np.flatnonzero((members[0::2] == members[1::2]).any(axis=1))
    if len(unpaired):
        pair = 2 * unpaired[0]
        raise ValueError(f"{path}: models {pair} and {pair + 1} do not hold complementary halves")


def _column(model: int) -> str:
    return f"model_{model:04d}"
