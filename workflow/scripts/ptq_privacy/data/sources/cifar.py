"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32x32 pixels.

Read from the authors' "python version" archive, or a folder of what is in it: pickles with an array
of bytes [images, 3 x 32 x 32] and a list of labels each, and one pickle with the classes' names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data import archives
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import pickles
from ptq_privacy.data.sources.published import fetch, title


@dataclass(frozen=True)
class Layout:
    """What an archive's folder, files and keys are called."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str


LAYOUTS = {
    "cifar-10": Layout(
        archive="cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        meta="batches.meta",
        labels="labels",
        names="label_names",
    ),
    "cifar-100": Layout(
        archive="cifar-100-python.tar.gz",
        folder="cifar-100-python",
        train=("train",),
        test="test",
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
    ),
}


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """CIFAR-10 or CIFAR-100 from the archive or folder `path`, or downloaded."""
    source = settings["source"]
    layout = LAYOUTS[source]
    path = settings.get("path") or fetch(source, layout.archive, downloads)
    files = (*layout.train, layout.test, layout.meta)
    contents = archives.read(path, layout.folder, files.__contains__)
    missing = [file for file in files if file not in contents]
    if missing:
        raise ValueError(f"{path}: {layout.folder}/{missing[0]} is missing")
    loaded = {file: pickles.read(contents.pop(file), f"{path}: {file}") for file in files}
    batches = [_batch(loaded[file], layout, f"{path}: {file}") for file in layout.train]
    test_images, test_labels = _batch(loaded[layout.test], layout, f"{path}: {layout.test}")
    return Dataset(
        name=settings["name"],
        classes=_names(loaded[layout.meta], layout, f"{path}: {layout.meta}"),
        train_inputs=np.concatenate([images for images, _ in batches]),
        train_labels=np.concatenate([labels for _, labels in batches]),
        test_inputs=test_images,
        test_labels=test_labels,
        source=f"{title(source)}, {settings.get('path', 'downloaded')}",
    )


def _batch(content: Mapping[str, Any], layout: Layout, what: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = content.get("data"), content.get(layout.labels)
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != 3 * 32 * 32:
        raise ValueError(f"{what}: 'data' is not an array of bytes [images, 3072]")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ValueError(f"{what}: {layout.labels!r} is not a list of integers")
    if len(labels) != len(images):
        raise ValueError(f"{what}: {len(images)} images, but {len(labels)} labels")
    return images.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def _names(content: Mapping[str, Any], layout: Layout, what: str) -> tuple[str, ...]:
    names = content.get(layout.names)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise ValueError(f"{what}: {layout.names!r} is not a list of names")
    return tuple(name if isinstance(name, str) else name.decode(errors="replace") for name in names)
