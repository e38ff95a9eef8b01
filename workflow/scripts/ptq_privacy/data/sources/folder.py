"""A folder with one folder of images a class, or with two of these: `train` and `test`.

Classes are the folders' names in sorted order and images are in that of their paths, as in
torchvision's ImageFolder; files that are no images, and hidden ones, are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.image_files import stack
from ptq_privacy.data.sources.own_images import Part, assemble, path_of

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The class folders at `path`."""
    folder = path_of(settings)
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    parts = folder / "train", folder / "test"
    if not all(part.is_dir() for part in parts):
        classes = _classes(folder)
        return assemble(settings, classes, _read(folder, classes), None)
    classes = _classes(parts[0])
    if _classes(parts[1]) != classes:
        raise ValueError(f"{folder}: train and test do not hold the same class folders")
    train, test = (_read(part, classes) for part in parts)
    return assemble(settings, classes, train, test)


def _classes(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir() if path.is_dir())
    return sorted(name for name in names if not name.startswith("."))


def _read(folder: Path, classes: Sequence[str]) -> Part:
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = [path for path in _files(folder / name) if _is_image(path)]
        if not found:
            raise ValueError(f"{folder / name}: no images here; allowed: {', '.join(ENDINGS)}")
        files += found
        labels += [label] * len(found)
    images = stack(((str(path), path.read_bytes()) for path in files), len(files))
    return images, np.array(labels, np.int64)


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in sorted(os.walk(folder, followlinks=True)):
        yield from (Path(root, name) for name in sorted(names))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")
