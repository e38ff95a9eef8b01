"""Checkpoint shards: the weights of several models in one safetensors file, and what they are.

Tensors are named `{model:04d}/{parameter}`. What a file must be follows from its path, and reading
one that is something else is an error. Nothing in a file is ever executed. Digests of each model's
tensors and of what the file says of itself tell a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.files.tensors import sort_header

METADATA_KEY = "checkpoint"
DIGEST_KEY = "sha256"
"""Of the text under METADATA_KEY, which holds a digest of each model's tensors in turn."""


@dataclass(frozen=True)
class Identity:
    """What a checkpoint file must say of itself to be the one that was asked for.

    draw: which of several compressions by the variant's recipe; 0 is the variant itself.
    """

    study: str
    dataset: str
    network: str
    variant: str
    models: tuple[int, ...]
    draw: int = 0


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
    """One model of a shard: its number, its tensors by name, its figures.

    live: plain data that tell how to make a network of the tensors, the same for a whole shard; see
        `exchange.live`.
    """

    number: int
    tensors: Mapping[str, Tensor]
    record: ModelRecord
    live: Mapping[str, Any]


def write(
    path: str | Path,
    identity: Identity,
    models: Iterable[StoredModel],
    origin: Origin | None = None,
) -> None:
    """Write a shard, atomically.

    Args:
        identity: what the file is.
        models: in the order of `identity.models`.
        origin: the record of what made the weights.

    Raises:
        ValueError: the models are not those of the identity, or are not made alike.
    """
    tensors: dict[str, Tensor] = {}
    records, digests = {}, {}
    live: Mapping[str, Any] = {}
    for stored in models:
        if live and stored.live != live:
            raise ValueError(f"{path}: model {stored.number} is not made as those before it")
        live = stored.live
        own = {name: value.detach().cpu().contiguous() for name, value in stored.tensors.items()}
        tensors |= {f"{stored.number:04d}/{name}": value for name, value in own.items()}
        records[stored.number] = asdict(stored.record)
        digests[stored.number] = digest(own)
    if tuple(records) != identity.models:
        raise ValueError(f"{path}: holds models {list(records)}, should be {identity.models}")
    text = json.dumps({**asdict(identity), "live": live, "records": records, "digests": digests})
    metadata = {METADATA_KEY: text, DIGEST_KEY: hashlib.sha256(text.encode()).hexdigest()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {**metadata, **(origin or {})})
        sort_header(temporary)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors on the CPU: their names, types, shapes and bytes, sorted by name."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What a shard says of itself, without reading its weights.

    Raises:
        ValueError: the file is damaged or is no checkpoint; names it.
    """
    try:
        with safe_open(path, "pt") as file:
            found = file.metadata() or {}
        metadata = json.loads(found[METADATA_KEY])
        if hashlib.sha256(found[METADATA_KEY].encode()).hexdigest() != found[DIGEST_KEY]:
            raise ValueError("what it says of itself does not match its SHA-256")
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


def identify(path: str | Path, identity: Identity) -> None:
    """See that a file is what `identity` says.

    Raises:
        ValueError: it is damaged or is something else; names the file.
    """
    metadata = read_metadata(path)
    for field, expected in asdict(identity).items():
        found = metadata.get(field)
        if found != (list(expected) if isinstance(expected, tuple) else expected):
            raise ValueError(f"{path}: its {field} is {found!r}, expected {expected!r}; remove it")


def read(path: str | Path, model: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One model's tensors, and how a network is made of them (`StoredModel.live`).

    Raises:
        ValueError: the file is damaged or does not hold the model; names the file.
    """
    metadata = read_metadata(path)
    known = metadata.get("digests", {})
    if str(model) not in known:
        raise ValueError(f"{path}: does not hold model {model}; it holds {', '.join(known)}")
    prefix = f"{model:04d}/"
    with safe_open(path, "pt") as file:
        own = {
            name.removeprefix(prefix): file.get_tensor(name)
            for name in sorted(file.keys())
            if name.startswith(prefix)
        }
    if digest(own) != known[str(model)]:
        raise ValueError(
            f"{path}: the weights of model {model} do not match their SHA-256; remove it"
        )
    return own, metadata.get("live", {})
