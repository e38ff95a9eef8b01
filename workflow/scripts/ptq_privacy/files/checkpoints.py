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
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.files.shard_records import (
    DIGEST_KEY,
    METADATA_KEY,
    Identity,
    ModelRecord,
    identify,
    read_metadata,
    records,
)
from ptq_privacy.files.tensors import sort_header

__all__ = [
    "DIGEST_KEY",
    "Identity",
    "ModelRecord",
    "StoredModel",
    "digest",
    "identify",
    "read",
    "read_metadata",
    "records",
    "write",
]


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
