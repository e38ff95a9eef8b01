"""What a checkpoint shard says of itself: which models it holds, how each does, what made them.

Tables ask for no more than this, and do without the weights, and so without importing torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

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
    """One model's figures, kept beside its weights.

    promise: of differential privacy, as the fields of `training.dp_sgd.Promise`; None: there is
        none, or calibrating on members has undone it.
    """

    train_accuracy: float
    test_accuracy: float
    calibration_digest: str = ""
    bits_per_weight: float = 32.0
    zero_fraction: float = 0.0
    promise: Mapping[str, float] | None = None


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What a shard says of itself, without reading its weights.

    Raises:
        ValueError: the file is damaged or is no checkpoint; names it.
    """
    try:
        with safe_open(path, "numpy") as file:
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


def accuracies(shards: Sequence[str | Path], targets: int) -> list[float]:
    """On the test set, of models 0 to targets - 1, in the shards that hold them."""
    found = dict(item for path in shards for item in records(path).items())
    return [found[target].test_accuracy for target in range(targets)]
