"""Checkpoint shards: the weights of several models in one safetensors file, and what they are.

Tensors are named `{model:04d}/{parameter}`. A quantized weight is stored as packed codes with a
scale and a zero point a channel; reading gives it back as float32, the very numbers that the
quantizer's network had. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.data.files import replacing
from ptq_privacy.models.packing import pack, unpack
from ptq_privacy.ptq.grid import Grid, QuantizedWeight, dequantize

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
    """One model of a shard: float32 tensors by name, and the quantized ones of them apart."""

    number: int
    state: Mapping[str, Tensor]
    quantized: Mapping[str, QuantizedWeight]
    record: ModelRecord


def write(
    path: str | Path,
    identity: Identity,
    models: Iterator[StoredModel] | list[StoredModel],
    provenance: Mapping[str, object],
) -> None:
    """Write a shard, atomically.

    Args:
        identity: what the file is.
        models: in the order of `identity.models`. A weight that is in `quantized` is stored as
            codes; its entry in `state` gives the shape only.
        provenance: whatever else should be known of how the weights were made.

    Raises:
        ValueError: the models are not those of the identity.
    """
    tensors: dict[str, Tensor] = {}
    records, shapes = {}, {}
    for stored in models:
        prefix = f"{stored.number:04d}"
        records[prefix] = asdict(stored.record)
        for name, value in stored.state.items():
            if name not in stored.quantized:
                tensors[f"{prefix}/{name}"] = value.detach().cpu().contiguous()
                continue
            weight = stored.quantized[name]
            shapes[name] = {"shape": list(value.shape), "levels": weight.grid.levels}
            tensors[f"{prefix}/{name}.codes"] = pack(weight.codes.cpu(), weight.grid.levels)
            tensors[f"{prefix}/{name}.scale"] = weight.grid.scale.cpu().contiguous()
            tensors[f"{prefix}/{name}.zero_point"] = weight.grid.zero_point.cpu().to(torch.uint8)
    if list(records) != [f"{number:04d}" for number in identity.models]:
        raise ValueError(f"{path}: holds models {list(records)}, should be {identity.models}")
    metadata = {
        **asdict(identity),
        "records": records,
        "quantized": shapes,
        "provenance": dict(provenance),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, {METADATA_KEY: json.dumps(metadata)})


def read_metadata(path: str | Path) -> dict[str, object]:
    """What a shard says of itself, without reading its weights.

    Raises:
        ValueError: the file is damaged or is no checkpoint; names it.
    """
    try:
        with safe_open(path, "pt") as file:
            return json.loads((file.metadata() or {})[METADATA_KEY])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error}); remove it") from error


def records(path: str | Path) -> dict[int, ModelRecord]:
    """Each model's figures by its number, from the metadata alone."""
    stored = read_metadata(path)["records"]
    assert isinstance(stored, dict)
    return {int(number): ModelRecord(**figures) for number, figures in stored.items()}


def read(path: str | Path, identity: Identity) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield each model's number and float32 state, in ascending order.

    Raises:
        ValueError: the file is damaged, or is not what `identity` says; names the file.
    """
    metadata = read_metadata(path)
    for field, expected in asdict(identity).items():
        found = metadata.get(field)
        if found != (list(expected) if isinstance(expected, tuple) else expected):
            raise ValueError(f"{path}: its {field} is {found!r}, expected {expected!r}; remove it")
    quantized = metadata["quantized"]
    assert isinstance(quantized, dict)
    with safe_open(path, "pt") as file:
        names = sorted(file.keys())
        for number in identity.models:
            prefix = f"{number:04d}/"
            tensors = {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in names
                if name.startswith(prefix)
            }
            try:
                yield number, _dequantized(tensors, quantized)
            except (KeyError, ValueError, RuntimeError) as error:
                raise ValueError(f"{path}: model {number} is damaged ({error})") from error


def _dequantized(
    tensors: dict[str, Tensor], quantized: Mapping[str, Mapping[str, object]]
) -> dict[str, Tensor]:
    """Replace codes, scale and zero point by the float32 weight that they stand for."""
    for name, layout in quantized.items():
        shape, levels = torch.Size(layout["shape"]), layout["levels"]  # type: ignore[arg-type]
        assert isinstance(levels, int)
        columns = shape[1:].numel()
        codes = unpack(tensors.pop(f"{name}.codes"), levels, columns)
        grid = Grid(tensors.pop(f"{name}.scale"), tensors.pop(f"{name}.zero_point"), levels)
        tensors[name] = dequantize(codes, grid).view(shape)
    return tensors


def storage(quantized: Mapping[str, QuantizedWeight]) -> tuple[float, float]:
    """Bits per weight as stored (codes, scales, zero points) and the share of zero weights."""
    bits = weights = zeros = 0
    for weight in quantized.values():
        rows = len(weight.codes)
        bits += 8 * pack(weight.codes.cpu(), weight.grid.levels).numel() + rows * (32 + 8)
        weights += weight.codes.numel()
        zeros += int((weight.codes == weight.grid.zero_point[:, None]).sum())
    return bits / weights, zeros / weights
