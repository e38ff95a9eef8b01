"""A prepared data set: the audit pool (`train_*`) and the test set, as arrays and as one file.

Every source ends here and every later stage starts here. A sample's number is its place in
`train_images`, from now on and in every artifact, so the order never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data import tensors
from ptq_privacy.data.origin import Origin

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
METADATA = ("name", "classes", "mean", "std", "source", "sha256")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 [N, C, H, W] and labels int64 [N] of the audit pool and of the test set.

    `source` says in words where the samples came from. Read-only by convention.
    """

    name: str
    classes: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the audit pool, of pixels scaled to 0..1."""
        return self._moments[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the audit pool, of pixels scaled to 0..1."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        values = np.arange(256) / 255
        frequencies = _histogram(self.train_images)
        frequencies = frequencies / frequencies.sum(axis=1, keepdims=True)
        mean = frequencies @ values
        variance = (frequencies * (values - mean[:, None]) ** 2).sum(axis=1)
        return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())

    @cached_property
    def sha256(self) -> str:
        """Digest of the classes and of all images and labels, with their shapes."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()


def _histogram(images: np.ndarray) -> np.ndarray:
    """How often each of the 256 pixel values occurs in each channel: [N, C, H, W] -> [C, 256]."""
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), 1024):  # bincount widens its input eightfold
        for channel in range(images.shape[1]):
            pixels = images[start : start + 1024, channel].ravel()
            counts[channel] += np.bincount(pixels, minlength=256)
    return counts


def write(path: str | Path, dataset: Dataset, origin: Origin | None = None) -> None:
    """Check a data set and write it as safetensors, atomically; equal sets give equal bytes.

    Raises:
        ValueError: as `check`.
    """
    check(dataset)
    metadata = {
        "name": dataset.name,
        "classes": json.dumps(dataset.classes),
        "mean": json.dumps(dataset.mean),
        "std": json.dumps(dataset.std),
        "source": dataset.source,
        "sha256": dataset.sha256,
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
    classes, mean, std = (_listed(path, metadata, name) for name in ("classes", "mean", "std"))
    dataset = Dataset(
        name=metadata["name"],
        classes=classes,
        source=metadata["source"],
        **{name: arrays[name] for name in ARRAYS},
    )
    if dataset.sha256 != metadata["sha256"]:
        raise ValueError(f"{path}: content does not match its SHA-256; prepare the data set again")
    vars(dataset)["_moments"] = mean, std  # counting pixels again would be half a job's start
    return dataset


def _listed(path: str | Path, metadata: Mapping[str, str], name: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(metadata[name]))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a prepared data set: {name} ({error})") from None


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
    for part in ("train", "test"):
        images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
        _check_images(f"{name}: {part}_images", images)
        _check_labels(f"{name}: {part}_labels", labels, len(images), dataset.classes)
    if dataset.test_images.shape[1:] != dataset.train_images.shape[1:]:
        raise ValueError(
            f"{name}: test images are {dataset.test_images.shape[1:]}, train images "
            f"{dataset.train_images.shape[1:]} (channels, height, width); they must be equal"
        )
    counts = np.bincount(dataset.train_labels, minlength=len(dataset.classes))
    empty = [dataset.classes[label] for label in np.flatnonzero(counts == 0)]
    if empty:
        raise ValueError(f"{name}: no training sample of class {', '.join(empty[:5])}")
    constant = [channel for channel, std in enumerate(dataset.std) if std == 0]
    if constant:
        raise ValueError(f"{name}: train_images: channel {constant[0]} is the same in every pixel")


def _check_images(what: str, images: np.ndarray) -> None:
    if images.dtype != np.uint8:
        raise ValueError(f"{what} are {images.dtype}; allowed: uint8, 0 to 255")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"{what} have shape {images.shape}; allowed: [samples, channels, height, width], "
            "none of them 0"
        )


def _check_labels(what: str, labels: np.ndarray, samples: int, classes: Sequence[str]) -> None:
    if labels.dtype != np.int64:
        raise ValueError(f"{what} are {labels.dtype}; allowed: int64")
    if labels.shape != (samples,):
        raise ValueError(f"{what} have shape {labels.shape}; {samples} images need ({samples},)")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise ValueError(
            f"{what}: sample {wrong[0]} has label {labels[wrong[0]]}; "
            f"allowed: 0 to {len(classes) - 1}"
        )
