"""Your own tables: CSV or parquet files with a label column and features, numbers or categories.

A number is taken as it is. A category becomes a feature of 0 or 1 for each of its values in the
audited rows; a value that they lack, of a test row, is none of them ("other"). What is learned of
the data, categories and means, is learned of the audited rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import own_tables
from ptq_privacy.data.sources.column_types import is_number, is_text
from ptq_privacy.data.sources.own_images import path_of
from ptq_privacy.data.sources.own_tables import MISSING, PLACE, Split, place

Features = Iterator[tuple[str, np.ndarray, np.ndarray]]
"""Name, and the values of the audited rows and of the test rows."""


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The rows of the file or folder `path`."""
    split = own_tables.load(settings, path_of(settings))
    named = {key: list(settings.get(key, [])) for key in ("categories", "leave_out")}
    columns = [name for name in split.train.column_names if name != PLACE]
    for key, names in named.items():
        for name in names:
            if name not in columns:
                raise ValueError(
                    f"{split.where}: {key}: no column {name!r} beside the labels; there are "
                    f"{', '.join(columns)}"
                )
    notes: list[str] = []
    features: list[tuple[str, np.ndarray, np.ndarray]] = []
    for name in columns:
        if name in named["leave_out"]:
            continue
        impute = settings.get("missing", "refuse") == "impute"
        of = _category if name in named["categories"] else _number
        features += of(split, name, impute, notes)
    if named["leave_out"]:
        notes.append(f"left out: {', '.join(named['leave_out'])}")
    if not features:
        raise ValueError(f"{split.where}: no columns beside the labels; there must be features")
    inputs = [
        np.stack([feature[part] for feature in features], axis=1).astype(np.float32)
        for part in (1, 2)
    ]
    details = {"features": [name for name, _, _ in features]}
    return own_tables.finished(settings, split, inputs, notes, "rows", details)


def _number(split: Split, name: str, impute: bool, notes: list[str]) -> Features:
    """A column of numbers, and, where some are missing and are to be imputed, which."""
    parts = [_numbers(table, name) for table in (split.train, split.test)]
    gaps = [np.isnan(part) for part in parts]
    if _gaps(split, name, gaps, impute):
        known = parts[0][~gaps[0]]
        if not len(known):
            raise ValueError(f"{split.where}: column {name!r}: no audited row has a value")
        mean = known.mean()
        parts = [np.where(gap, mean, part) for gap, part in zip(gaps, parts, strict=True)]
        notes.append(f"column {name}: {_count(gaps)} missing values, the mean {mean:g} in place")
    yield name, parts[0], parts[1]
    if gaps[0].any():
        yield f"{name} is missing", gaps[0], gaps[1]


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Float64, NaN where a value is missing."""
    column = table[name]
    if is_text(column.type):
        column = _known(column)
        try:
            column = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            row = next(n for n, value in enumerate(column) if not _is_number(value.as_py()))
            raise ValueError(
                f"{place(table, row)}: column {name!r}: {column[row].as_py()!r} is no number; "
                "allowed: numbers, or the column's name in `categories` or `leave_out`"
            ) from None
    elif not (is_number(column.type) or pa.types.is_null(column.type)):
        raise ValueError(
            f"{place(table, 0)}: column {name!r}: {column.type}; allowed: numbers, or, with the "
            "column's name in `categories`, text"
        )
    numbers: np.ndarray = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    wrong = np.flatnonzero(np.abs(numbers) > np.finfo(np.float32).max)
    if len(wrong):
        raise ValueError(
            f"{place(table, wrong[0])}: column {name!r}: {numbers[wrong[0]]:g} is beyond float32"
        )
    return numbers


def _known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts without white space around them, null where they say that there is no value."""
    trimmed = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(trimmed, pa.array(MISSING, trimmed.type))
    return pc.if_else(missing, pa.scalar(None, trimmed.type), trimmed)


def _is_number(text: str | None) -> bool:
    try:
        pa.array([text]).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _category(split: Split, name: str, impute: bool, notes: list[str]) -> Features:
    """A column of categories: a feature for each that an audited row has."""
    parts = [_texts(table, name) for table in (split.train, split.test)]
    gaps = [np.array([value is None for value in part]) for part in parts]
    if _gaps(split, name, gaps, impute):
        notes.append(f"column {name}: {_count(gaps)} missing values, a feature of their own")
    known = sorted({value for value in parts[0] if value is not None})
    if len(known) > max(2, len(parts[0]) // 2):
        raise ValueError(
            f"{split.where}: column {name!r}: {len(known)} categories in {len(parts[0])} audited "
            "rows; allowed: at most half as many as rows, or the column's name in `leave_out`"
        )
    other = sum(value is not None and value not in known for value in parts[1])
    if other:
        notes.append(f"column {name}: {other} test rows of a category unseen in the audited ones")
    for category in known:
        yield (
            f"{name} = {category}",
            np.array([value == category for value in parts[0]]),
            np.array([value == category for value in parts[1]]),
        )
    if gaps[0].any():
        yield f"{name} is missing", gaps[0], gaps[1]


def _texts(table: pa.Table, name: str) -> Sequence[str | None]:
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (is_text(column.type) or is_number(column.type)):
        raise ValueError(
            f"{place(table, 0)}: column {name!r}: {column.type}; allowed for a category: text, "
            "numbers, true and false"
        )
    return _known(column.cast(pa.string())).to_pylist()


def _gaps(split: Split, name: str, gaps: Sequence[np.ndarray], impute: bool) -> bool:
    """Whether values are missing; refused where they are not to be imputed."""
    for table, gap in zip((split.train, split.test), gaps, strict=True):
        rows = np.flatnonzero(gap)
        if len(rows) and not impute:
            raise ValueError(
                f"{place(table, rows[0])}: column {name!r}: a value is missing; with "
                "missing: impute, the mean of the audited rows takes its place"
            )
    return bool(_count(gaps))


def _count(gaps: Sequence[np.ndarray]) -> int:
    return sum(int(gap.sum()) for gap in gaps)
