"""Texts and their labels: your own, in CSV or parquet files, and Banking77.

Texts become tokens by a vocabulary that is learned of the audited ones alone and recorded with the
data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import column_names, hugging_face, own_tables, vocabulary
from ptq_privacy.data.sources.column_types import is_text
from ptq_privacy.data.sources.own_images import path_of
from ptq_privacy.data.sources.own_tables import PLACE, place
from ptq_privacy.data.sources.published import fetch

BANKING77 = ("train.csv", "test.csv")


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The texts of the file or folder `path`."""
    return _prepared(settings, path_of(settings))


def banking77(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """Banking77 (Casanueva et al. 2020): 13,083 questions of a bank's customers, 77 intents.

    From `train.csv` and `test.csv` in the folder `path`, or downloaded.
    """
    if "path" in settings:
        folder = path_of(settings)
        for name in BANKING77:
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder}: there is no {name} in this folder")
        return _prepared({**settings, "path": str(folder)}, folder)
    for name in BANKING77:
        fetch("banking77", name, downloads)
    return _prepared({**settings, "path": "downloaded"}, downloads / "banking77")


def _prepared(settings: Mapping[str, Any], path: Path) -> Dataset:
    split = own_tables.load(settings, path)
    columns = [name for name in split.train.column_names if name != PLACE]
    features = hugging_face.features(split.train.schema, split.where)
    declared = [
        name for name in hugging_face.of_type(features, "Value") if is_text(split.train[name].type)
    ]
    declared = [name for name in declared if name in columns] if len(declared) == 1 else []
    column = column_names.column(columns, "text_column", split.where, settings, declared)
    texts = [_texts(table, column) for table in (split.train, split.test)]
    tokenizer = vocabulary.learned(texts[0], settings["vocabulary"])
    inputs, notes = [], [f"texts in column {column}"]
    cut = 0
    for table, part in zip((split.train, split.test), texts, strict=True):
        tokens, longer = vocabulary.encoded(
            tokenizer,
            part,
            table[PLACE].to_pylist(),
            settings["length"],
            settings["truncate"],
            f"datasets.{settings['name']}",
        )
        inputs.append(tokens)
        cut += longer
    notes.append(f"a vocabulary of {tokenizer.get_vocab_size()} tokens, learned of audited texts")
    if cut:
        notes.append(f"{cut} texts cut after {settings['length']} tokens")
    details = vocabulary.details(tokenizer)
    return own_tables.finished(settings, split, inputs, notes, "tokens", details)


def _texts(table: pa.Table, name: str) -> Sequence[str]:
    column = table[name]
    if not is_text(column.type):
        raise ValueError(f"{place(table, 0)}: column {name!r}: {column.type}; allowed: text")
    texts: list[str | None] = column.to_pylist()
    for row, text in enumerate(texts):
        if text is None or not text.strip():
            raise ValueError(
                f"{place(table, row)}: column {name!r}: the text is empty; every sample needs one"
            )
    return [str(text) for text in texts]
