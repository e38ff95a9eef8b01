"""What Hugging Face's library writes into a parquet file beside the columns: what each one holds.

The schema's metadata have an entry `huggingface`, JSON, with a `_type` for each column: images are
`Image`, labels are `ClassLabel` and bring the classes' names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa


def features(schema: pa.Schema, where: str) -> dict[str, Mapping[str, Any]]:
    """What is said of each column, by its name; nothing, if the file is of another origin.

    Raises:
        ValueError: names `where` if the entry is damaged.
    """
    entry = (schema.metadata or {}).get(b"huggingface")
    if entry is None:
        return {}
    try:
        told = json.loads(entry)["info"]["features"]
        return {name: column for name, column in told.items() if isinstance(column, dict)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: metadata 'huggingface' are damaged ({error!r})") from None


def of_type(features: Mapping[str, Mapping[str, Any]], kind: str) -> list[str]:
    """Columns of a `_type`."""
    return [name for name, column in features.items() if column.get("_type") == kind]


def class_names(features: Mapping[str, Mapping[str, Any]], column: str) -> list[str] | None:
    """The classes' names, in the order of the labels, if the column brings any."""
    names = features.get(column, {}).get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names
