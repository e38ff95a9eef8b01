"""A NumPy archive: arrays `images` and `labels`, and `test_images` and `test_labels` if any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.own_images import (
    Part,
    assemble,
    channels_first,
    numbered_classes,
    path_of,
)


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The arrays of the file `path`; labels are class numbers from 0."""
    path = path_of(settings)
    arrays = _read(path)
    train = _part(arrays, "images", "labels", path)
    test = None
    if "test_images" in arrays or "test_labels" in arrays:
        test = _part(arrays, "test_images", "test_labels", path)
    return assemble(settings, numbered_classes(settings, train[1], str(path)), train, test)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, NpzFile):
            raise ValueError("a single array")
        with loaded:
            return dict(loaded)
    except Exception as error:  # a zip of headers in Python's syntax can be wrong in every way
        raise ValueError(f"{path}: not a readable .npz of plain arrays ({error})") from None


def _part(arrays: Mapping[str, np.ndarray], images: str, labels: str, path: Path) -> Part:
    for name in (images, labels):
        if name not in arrays:
            raise ValueError(f"{path}: no array {name!r}; it holds {', '.join(arrays) or 'none'}")
    if arrays[labels].dtype.kind not in "iu":
        raise ValueError(f"{path}: {labels} are {arrays[labels].dtype}; allowed: integers")
    return channels_first(arrays[images], f"{path}: {images}"), arrays[labels].astype(np.int64)
