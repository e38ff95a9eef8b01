"""What the sources of your own tables share: CSV and parquet files, parts, labels, a test set.

A CSV file's columns are read as text, since a table's meaning should not hang on what its first
rows look like; which of them hold numbers is the business of whoever asks. Rows keep their order.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import column_names, hugging_face, labels, table_files
from ptq_privacy.data.sources.column_types import is_text
from ptq_privacy.data.sources.split import TEST_FRACTION, audited, test_drawn

log = logging.getLogger(__name__)

ENDINGS = (".csv", ".parquet")
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""Texts that stand for a value that is not there."""

PLACE = "\0place"
"""A column that is put beside a file's own: where each row comes from, for messages."""


@dataclass(frozen=True)
class Split:
    """Rows that are audited and rows for the test, with labels int64 and the classes' names.

    where: the file of each, for messages; notes: what is to be said of the data.
    """

    train: pa.Table
    test: pa.Table
    train_labels: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    where: str
    notes: tuple[str, ...]


def load(settings: Mapping[str, Any], path: Path) -> Split:
    """The rows of the file or folder `path`: with a test set drawn where there is none, and as many
    for the audit as the settings say.

    Raises:
        ValueError: names the file, column or row that is wrong, or the setting.
    """
    files = table_files.find(path, settings, ENDINGS)
    train = _joined(files.train)
    first = str(files.train[0])
    features = hugging_face.features(train.schema, first)
    declared = hugging_face.of_type(features, "ClassLabel")
    names = [name for name in train.column_names if name != PLACE]
    label = column_names.column(names, "label_column", first, settings, declared)
    known = [_labels(train, label, first)]
    test = None
    if files.test:
        test = _joined(files.test)
        _check_alike(train, test, first, str(files.test[0]))
        known.append(_labels(test, label, str(files.test[0])))
    recorded = hugging_face.class_names(features, label)
    classes = labels.class_names(settings.get("classes"), recorded, known[0], first)
    numbers = [labels.numbered(part, classes, f"{first}: {label}") for part in known]
    return _split(settings, train, test, numbers, classes, label, files)


def _split(
    settings: Mapping[str, Any],
    train: pa.Table,
    test: pa.Table | None,
    numbers: Sequence[np.ndarray],
    names: Sequence[str],
    label: str,
    files: table_files.Files,
) -> Split:
    name, seed = f"data set {settings['name']!r}", settings.get("seed", 0)
    notes = [f"labels in column {label}", *files.notes]
    if test is None:
        fraction = settings.get("test_fraction", TEST_FRACTION)
        kept, tested = test_drawn(name, numbers[0], fraction, seed)
        notes.append(f"test set: {fraction:g} of the samples, drawn by the seed")
        train, test = train.take(kept), train.take(tested)
        numbers = [numbers[0][kept], numbers[0][tested]]
    elif "test_fraction" in settings:
        raise ValueError(f"{name}: test_fraction: {settings['path']} brings its own test set")
    kept = audited(settings["name"], numbers[0], settings.get("audit_samples"), seed)
    return Split(
        train.take(kept).drop_columns([label]),
        test.drop_columns([label]),
        numbers[0][kept],
        numbers[1],
        tuple(names),
        str(files.train[0]),
        tuple(notes),
    )


def finished(
    settings: Mapping[str, Any],
    split: Split,
    inputs: Sequence[np.ndarray],
    notes: Sequence[str],
    kind: str,
    details: Mapping[str, Any],
) -> Dataset:
    """A data set of what was made of both parts' rows; what is to be said of it goes to the log."""
    notes = [*split.notes, *notes]
    for note in notes:
        log.info("%s: %s", settings["path"], note)
    return Dataset(
        name=settings["name"],
        classes=split.classes,
        train_inputs=inputs[0],
        train_labels=split.train_labels,
        test_inputs=inputs[1],
        test_labels=split.test_labels,
        source="; ".join([f"{settings['source']} {settings['path']}", *notes]),
        kind=kind,
        details=details,
    )


def read(path: Path) -> pa.Table:
    """One file, with at least one row.

    Raises:
        ValueError: names the file, and says what is wrong with it.
    """
    kind = "CSV" if path.suffix.lower() == ".csv" else "parquet"
    try:
        table = _read_csv(path) if kind == "CSV" else pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not a readable {kind} file ({reason})") from None
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: column {twice[0]!r} is there {len(twice)} times")
    if not table.num_rows:
        raise ValueError(f"{path}: no rows")
    places = [f"{path}, row {number + 1}" for number in range(table.num_rows)]
    return table.append_column(PLACE, pa.array(places))


def _read_csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names: Sequence[str] = next(csv.reader(file), [])
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(path, convert_options=options, parse_options=parsing)


def _joined(paths: Sequence[Path]) -> pa.Table:
    tables = [read(path) for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        _check_alike(tables[0], table, str(paths[0]), str(path))
    return pa.concat_tables(tables, promote_options="permissive")


def _check_alike(first: pa.Table, other: pa.Table, where: str, there: str) -> None:
    differ = sorted(set(first.column_names) ^ set(other.column_names))
    if differ:
        raise ValueError(f"{there}: not the columns of {where}: {differ[0]!r} is in one alone")


def place(table: pa.Table, row: int) -> str:
    """Where a row comes from: its file and its number there, counted from 1 after the header."""
    return str(table[PLACE][int(row)].as_py())


def _labels(table: pa.Table, name: str, where: str) -> np.ndarray:
    column = table[name]
    empty = pc.is_null(column)
    if is_text(column.type):
        empty = pc.or_(empty, pc.is_in(pc.utf8_trim_whitespace(column), pa.array(MISSING)))
    rows = np.flatnonzero(empty.to_numpy())
    if len(rows):
        raise ValueError(f"{place(table, rows[0])}: column {name!r}: the label is missing")
    return labels.of_column(column, f"{where}: {name}")
