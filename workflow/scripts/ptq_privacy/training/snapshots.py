"""A model while it is trained, kept on disk so that a killed job goes on where it was.

Snapshots lie in a hidden folder beside the job's output, one file a model, and go when the output
is there. A file says which training it belongs to; one that belongs to another, or is damaged, is
never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.checkpoints import DIGEST_KEY, ModelRecord, digest
from ptq_privacy.training.epochs import Progress

SECONDS = 20.0
"""Least time between two snapshots: a network that trains faster leaves none but its last."""

METADATA_KEY = "snapshot"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A model after some of its epochs; `record` is its figures once it is finished."""

    progress: Progress
    record: ModelRecord | None = None


def folder(output: str | Path) -> Path:
    """Where the snapshots of a job lie; not among its outputs, which Snakemake would remove."""
    output = Path(output)
    return output.with_name(f".{output.name}.unfinished")


def write(path: str | Path, snapshot: Snapshot, training: Mapping[str, Any]) -> None:
    """Keep a snapshot, atomically; `training` is all that tells this training from others."""
    progress = snapshot.progress
    tensors = {f"network/{name}": value for name, value in progress.network.items()}
    tensors |= {f"optimizer/{name}": value for name, value in progress.optimizer.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    about = {
        "training": _told(training),
        "epochs": progress.epochs,
        "record": None if snapshot.record is None else asdict(snapshot.record),
        "tensors": digest(tensors),
    }
    text = json.dumps(about)
    with replacing(path) as temporary:
        save_file(tensors, temporary, {METADATA_KEY: text, DIGEST_KEY: _sha256(text)})


def read(path: str | Path, training: Mapping[str, Any]) -> Snapshot | None:
    """The snapshot at `path`, or None: there is none, it is damaged, or of another training."""
    if not Path(path).exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            about = json.loads(metadata[METADATA_KEY])
            if metadata[DIGEST_KEY] != _sha256(metadata[METADATA_KEY]):
                raise ValueError("what it says of itself does not match its SHA-256")
            if about["training"] != _told(training):
                log.warning("%s: of another training, not used", path)
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about["tensors"] != digest(tensors):
            raise ValueError("its content does not match its SHA-256")
        record = None if about["record"] is None else ModelRecord(**about["record"])
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, _, own = name.partition("/")
            parts[part][own] = value
        return Snapshot(Progress(about["epochs"], **parts), record)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        log.warning("%s: damaged, not used (%s)", path, error)
        return None


def _told(training: Mapping[str, Any]) -> str:
    return json.dumps(training, sort_keys=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
