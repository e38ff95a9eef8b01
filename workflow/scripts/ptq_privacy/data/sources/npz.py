"""A NumPy archive of images and labels, under the names that people give them.

These may be `images` and `labels`, and `test_images` and `test_labels`; MedMNIST's `train_images`,
`val_images` and so on; or Keras' `x_train`, `y_train`, `x_test`, `y_test`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import column_names, labels, pixels, split_names
from ptq_privacy.data.sources.own_images import Part, assemble, path_of


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The arrays of the file `path`."""
    path = path_of(settings)
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise ValueError("a single array")
    except Exception as error:  # a zip can be wrong in every way
        raise _unreadable(path, error) from None
    with archive:
        pairs = column_names.pairs(archive.files, str(path))
        splits = split_names.choose(list(pairs), str(path), settings)
        if splits is None:
            raise ValueError(f"{path}: arrays of {', '.join(pairs)}; {split_names.ALLOWED}")
        train = _part(archive, *pairs[splits.train], path, settings)
        test = None
        if splits.test is not None:
            test = _part(archive, *pairs[splits.test], path, settings)
        known = {name for pair in pairs.values() for name in pair}
        others = [f"left out: {name}" for name in archive.files if name not in known]
    return assemble(settings, train, test, [*splits.notes, *others])


def _part(
    archive: NpzFile, images: str, classes: str, path: Path, settings: Mapping[str, Any]
) -> Part:
    where = f"{path}: {images}"
    whole, losses = pixels.to_bytes(_array(archive, images, path), where)
    sized = pixels.sized(pixels.channels_first(whole, where), settings.get("resize"))
    read = labels.read(_array(archive, classes, path), f"{path}: {classes}")
    return Part(sized, read, where, losses)


def _array(archive: NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        return archive[name]
    except Exception as error:  # and so can headers in Python's syntax
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: not a readable .npz of plain arrays ({error})")
