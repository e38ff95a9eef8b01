"""Labels of every form that people store, as class numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptq_privacy.data.sources.column_types import is_list, is_text

ALLOWED = "allowed: one class a sample, as whole numbers from 0, as text, or as true and false"
EXACT = 1 << 53  # beyond it, floats skip whole numbers


def read(labels: np.ndarray, what: str) -> np.ndarray:
    """Labels as int64 or text [N], from [N] or [N, 1] of any type that can stand for classes.

    Raises:
        ValueError: names `what` if they are of another type, several a sample, or not whole.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{what}: labels of shape {labels.shape}, several a sample; {ALLOWED}")
    kind = labels.dtype.kind
    if kind == "f":
        wrong = np.flatnonzero(~(np.abs(labels) < EXACT) | (labels != np.rint(labels)))
        if len(wrong):
            raise ValueError(f"{what}: label {labels[wrong[0]]} is not whole; {ALLOWED}")
    elif kind == "S":
        try:
            return np.char.decode(labels, "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{what}: labels are bytes that are no text; {ALLOWED}") from None
    elif kind == "U":
        return labels
    elif kind not in "iub":
        raise ValueError(f"{what}: labels are {labels.dtype}; {ALLOWED}")
    return labels.astype(np.int64)


def of_column(column: pa.ChunkedArray, what: str) -> np.ndarray:
    """A column of a table, none of its rows empty, as `read` gives labels.

    Raises:
        ValueError: as `read`.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_list(column.type):
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if lengths != [1]:
            raise ValueError(f"{what}: lists of labels; {ALLOWED}")
        column = pc.list_flatten(column)
        if column.null_count:
            raise ValueError(f"{what}: empty rows")
    kind = column.type
    if is_text(kind):
        return column.cast(pa.string()).to_numpy().astype(str)
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"{what}: labels are {kind}; {ALLOWED}")
    return read(column.to_numpy(), what)


def class_names(
    chosen: Sequence[str] | None, recorded: Sequence[str] | None, labels: np.ndarray, where: str
) -> list[str]:
    """Names of the classes: those of the config, of the data, or the labels themselves, sorted.

    Args:
        chosen: `classes` of the config, in the order of the labels, if it says.
        recorded: what the data themselves say, if they do.
        labels: of the training part, as `read` gives them.
        where: for messages.

    Raises:
        ValueError: names `where` if there are no labels, or numbers that must leave classes empty.
    """
    if chosen is not None or recorded is not None:
        return list(recorded or () if chosen is None else chosen)
    if not len(labels):
        raise ValueError(f"{where}: no samples")
    if labels.dtype.kind == "U":
        return sorted(set(labels.tolist()))
    if labels.max() >= len(labels):
        raise ValueError(
            f"{where}: label {labels.max()} of only {len(labels)} samples; allowed: 0 to the "
            "number of classes - 1, none left out"
        )
    return [str(label) for label in range(labels.max() + 1)]


def numbered(labels: np.ndarray, classes: Sequence[str], where: str) -> np.ndarray:
    """Labels as int64 [N]: numbers as they are, text as its place among the classes.

    Raises:
        ValueError: names `where` and the label that is of no class.
    """
    if labels.dtype.kind != "U":
        return labels
    number = {name: place for place, name in enumerate(classes)}
    unknown = sorted(set(labels.tolist()) - number.keys())
    if unknown:
        raise ValueError(f"{where}: label {unknown[0]!r}; allowed: {', '.join(classes)}")
    return np.array([number[name] for name in labels.tolist()], np.int64)
