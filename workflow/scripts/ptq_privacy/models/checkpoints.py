"""Checkpoint shards: the weights of several models in one safetensors file, and what they are.

Tensors are named `{model:04d}/{parameter}`. What a file must be follows from its path, and reading
one that is something else is an error. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.data.files import replacing

METADATA_KEY = "checkpoint"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint file must say of itself to be the one that was asked for."""

    study: str
    dataset: str
    architecture: str
    precision: str
    models: tuple[int, ...]


@dataclass(frozen=True)
class ModelRecord:
    """One model's figures, kept beside its weights."""

    train_accuracy: float
    test_accuracy: float
    calibration_digest: str = ""
    bits_per_weight: float = 32.0
    zero_fraction: float = 0.0


@dataclass(frozen=True)
class StoredModel:
    """One model of a shard: its number, its tensors by name, its figures."""

    number: int
    tensors: Mapping[str, Tensor]
    record: ModelRecord


def write(
    path: str | Path,
    identity: Identity,
    models: Iterable[StoredModel],
    provenance: Mapping[str, object],
) -> None:
    """Write a shard, atomically.

    Args:
        identity: what the file is.
        models: in the order of `identity.models`.
        provenance: whatever else should be known of how the weights were made.

    Raises:
        ValueError: the models are not those of the identity.
    """
    tensors: dict[str, Tensor] = {}
    records = {}
    for stored in models:
        records[stored.number] = asdict(stored.record)
        for name, value in stored.tensors.items():
            tensors[f"{stored.number:04d}/{name}"] = value.detach().cpu().contiguous()
    if tuple(records) != identity.models:
        raise ValueError(f"{path}: holds models {list(records)}, should be {identity.models}")
    metadata = {**asdict(identity), "records": records, "provenance": dict(provenance)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {METADATA_KEY: json.dumps(metadata)})


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What a shard says of itself, without reading its weights.

    Raises:
        ValueError: the file is damaged or is no checkpoint; names it.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {})[METADATA_KEY])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error}); remove it") from error
    if not isinstance(metadata, dict):
        raise ValueError(f"{path}: not a readable checkpoint (no metadata); remove it")
    return metadata


def records(path: str | Path) -> dict[int, ModelRecord]:
    """Each model's figures by its number, from the metadata alone.

    Raises:
        ValueError: the file is damaged or is no checkpoint; names it.
    """
    try:
        stored = read_metadata(path)["records"]
        return {int(number): ModelRecord(**figures) for number, figures in stored.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: its records are damaged ({error}); remove it") from error


def read(path: str | Path, identity: Identity) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield each model's number and tensors, in ascending order.

    Raises:
        ValueError: the file is damaged, or is not what `identity` says; names the file.
    """
    metadata = read_metadata(path)
    for field, expected in asdict(identity).items():
        found = metadata.get(field)
        if found != (list(expected) if isinstance(expected, tuple) else expected):
            raise ValueError(f"{path}: its {field} is {found!r}, expected {expected!r}; remove it")
    with safe_open(path, "pt") as file:
        names = sorted(file.keys())
        for number in identity.models:
            prefix = f"{number:04d}/"
            own = [name for name in names if name.startswith(prefix)]
            yield number, {name.removeprefix(prefix): file.get_tensor(name) for name in own}
