"""A folder with one folder of images a class, or with the parts of a data set that are such.

Parts are called `train`, `val`, `test` and the like. Classes are the folders' names in sorted order
and images are in that of their paths, as in torchvision's ImageFolder; files that are no images,
and hidden ones, are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import split_names
from ptq_privacy.data.sources.image_files import stack
from ptq_privacy.data.sources.image_size import REMEDY
from ptq_privacy.data.sources.own_images import Part, assemble, path_of

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The class folders at `path`."""
    folder = path_of(settings)
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    splits = split_names.choose(_folders(folder), str(folder), settings)
    size = settings.get("resize")
    if splits is None:
        classes = _classes(folder)
        train, notes = _read(folder, classes, size)
        return assemble(settings, train, None, notes, classes)
    part = folder / splits.train
    classes = _classes(part)
    train, notes = _read(part, classes, size)
    test = None
    if splits.test is not None:
        _check_same(folder / splits.test, classes, part)
        test, more = _read(folder / splits.test, classes, size)
        notes += more
    return assemble(settings, train, test, [*splits.notes, *notes], classes)


def _folders(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir() if path.is_dir())
    return sorted(name for name in names if not name.startswith(".") and name != "__MACOSX")


def _classes(folder: Path) -> list[str]:
    names = _folders(folder)
    if not names:
        raise ValueError(f"{folder}: needs one folder of images a class")
    return names


def _check_same(test: Path, classes: Sequence[str], train: Path) -> None:
    differ = sorted(set(_folders(test)) ^ set(classes))
    if differ:
        raise ValueError(
            f"{test}: not the same class folders as in {train}: {differ[0]!r} is in one alone; "
            "test_split chooses another part as test set"
        )


def _read(
    folder: Path, classes: Sequence[str], size: Sequence[int] | None
) -> tuple[Part, list[str]]:
    """The images of a part, and what to say of other files."""
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = [path for path in _files(folder / name) if path.suffix.lower() in ENDINGS]
        if not found:
            raise ValueError(f"{folder / name}: no images here; allowed: {', '.join(ENDINGS)}")
        files += found
        labels += [label] * len(found)
    contents = ((str(path), path.read_bytes()) for path in files)
    images, losses = stack(contents, len(files), size=size, remedy=REMEDY)
    others = sum(1 for _ in _files(folder)) - len(files)
    notes = [f"left out: {others} other files in {folder.name}"] if others else []
    return Part(images, np.array(labels, np.int64), str(folder), losses), notes


def _files(folder: Path) -> Iterator[Path]:
    """All files, however deep, but hidden ones and those in hidden folders."""
    for root, _, names in sorted(os.walk(folder, followlinks=True)):
        inside = Path(root).relative_to(folder)
        if not any(part.startswith(".") for part in inside.parts):
            yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))
