"""A prepared data set: the audit pool (`train_*`) and the test set, as arrays and as one file.

Every source ends here and every later stage starts here. A sample's number is its place in
`train_inputs`, from now on and in every artifact, so the order never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data import kinds
from ptq_privacy.files import tensors
from ptq_privacy.files.origin import Origin

ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")
METADATA = (
    *("name", "kind", "classes", "statistics", "details"),
    *("source", "sha256", "statistics_sha256"),
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs [N, ...] and labels int64 [N] of the audit pool and of the test set.

    kind: of the inputs, a folder of `data.kinds`; images are uint8 [N, C, H, W].
    source: says in words where the samples came from.
    details: what else must be known to read an input, such as the features' names; plain data.

    Read-only by convention.
    """

    name: str
    classes: tuple[str, ...]
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    source: str
    kind: str = "images"
    details: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def statistics(self) -> dict[str, tuple[float, ...]]:
        """What normalises its inputs: by name, numbers of the audit pool."""
        return kinds.part(self.kind, "normalise").statistics(self.train_inputs, self.details)

    @cached_property
    def sha256(self) -> str:
        """Digest of kind, classes and details, and of all inputs and labels with their shapes."""
        told = [self.kind, self.classes, *([self.details] if self.details else [])]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()


def write(path: str | Path, dataset: Dataset, origin: Origin | None = None) -> None:
    """Check a data set and write it as safetensors, atomically; equal sets give equal bytes.

    Raises:
        ValueError: as `check`.
    """
    check(dataset)
    metadata = {
        "name": dataset.name,
        "classes": json.dumps(dataset.classes),
        "kind": dataset.kind,
        "statistics": json.dumps(dataset.statistics),
        "details": json.dumps(dataset.details),
        "source": dataset.source,
        "sha256": dataset.sha256,
        "statistics_sha256": _digest(dataset),
        **(origin or {}),
    }
    tensors.write(path, {name: getattr(dataset, name) for name in ARRAYS}, metadata)


def read(path: str | Path) -> Dataset:
    """Read what `write` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged, or is not a prepared data set.
    """
    arrays, metadata = tensors.read(path)
    missing = sorted({*ARRAYS, *METADATA} - {*arrays, *metadata})
    if missing:
        raise ValueError(f"{path}: not a prepared data set: {', '.join(missing)} missing")
    classes = _loaded(path, metadata, "classes", list)
    statistics = _loaded(path, metadata, "statistics", dict)
    dataset = Dataset(
        name=metadata["name"],
        classes=tuple(classes),
        source=metadata["source"],
        kind=metadata["kind"],
        details=_loaded(path, metadata, "details", dict),
        **{name: arrays[name] for name in ARRAYS},
    )
    vars(dataset)["statistics"] = statistics  # counting pixels again would be half a job's start
    digests = {"sha256": dataset.sha256, "statistics_sha256": _digest(dataset)}
    if any(metadata[name] != digest for name, digest in digests.items()):
        raise ValueError(f"{path}: content does not match its SHA-256; prepare the data set again")
    return dataset


def _digest(dataset: Dataset) -> str:
    """Of the statistics, apart from the rest: their last digits may be a processor's own."""
    return hashlib.sha256(json.dumps(dataset.statistics, sort_keys=True).encode()).hexdigest()


def _loaded(path: str | Path, metadata: Mapping[str, str], name: str, expected: type) -> Any:
    try:
        found = json.loads(metadata[name])
        if name == "statistics":
            found = {key: tuple(values) for key, values in dict(found).items()}
        if not isinstance(found, expected):
            raise TypeError(f"a {type(found).__name__}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a prepared data set: {name} ({error})") from None
    return found


def check(dataset: Dataset) -> None:
    """Refuse a data set that no classifier could be trained and audited on.

    Raises:
        ValueError: names the data set, the array and what is allowed.
    """
    name = f"data set {dataset.name!r}"
    if len(dataset.classes) < 2:
        raise ValueError(f"{name}: {len(dataset.classes)} class; a classifier needs at least 2")
    if len(set(dataset.classes)) < len(dataset.classes):
        raise ValueError(f"{name}: class names are not distinct")
    rules = kinds.part(dataset.kind, "check")
    for part in ("train", "test"):
        inputs, labels = getattr(dataset, f"{part}_inputs"), getattr(dataset, f"{part}_labels")
        rules.check(f"{name}: {part}_inputs", inputs, dataset.details)
        _check_labels(f"{name}: {part}_labels", labels, len(inputs), dataset.classes)
    if dataset.test_inputs.shape[1:] != dataset.train_inputs.shape[1:]:
        raise ValueError(
            f"{name}: test inputs are {dataset.test_inputs.shape[1:]}, train inputs "
            f"{dataset.train_inputs.shape[1:]}; they must be equal"
        )
    counts = np.bincount(dataset.train_labels, minlength=len(dataset.classes))
    empty = [dataset.classes[label] for label in np.flatnonzero(counts == 0)]
    if empty:
        raise ValueError(f"{name}: no training sample of class {', '.join(empty[:5])}")
    rules.check_statistics(f"{name}: train_inputs", dataset.statistics)


def _check_labels(what: str, labels: np.ndarray, samples: int, classes: Sequence[str]) -> None:
    if labels.dtype != np.int64:
        raise ValueError(f"{what} are {labels.dtype}; allowed: int64")
    if labels.shape != (samples,):
        raise ValueError(f"{what} have shape {labels.shape}; {samples} inputs need ({samples},)")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise ValueError(
            f"{what}: sample {wrong[0]} has label {labels[wrong[0]]}; "
            f"allowed: 0 to {len(classes) - 1}"
        )
