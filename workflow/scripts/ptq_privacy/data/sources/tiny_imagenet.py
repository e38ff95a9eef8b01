"""TinyImageNet-200: 100,000 + 10,000 colour JPEGs of 64x64 pixels in 200 classes of ImageNet.

Its test split has no labels, so the validation split serves as test set. Classes are in the order
of their WordNet numbers, training images in that of their names, as torchvision's ImageFolder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data import archives
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.image_files import stack
from ptq_privacy.data.sources.published import fetch, title

log = logging.getLogger(__name__)

FOLDER = "tiny-imagenet-200"
NUMBERS, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """TinyImageNet from the archive or folder `path`, or downloaded."""
    path = settings.get("path") or fetch("tiny-imagenet", f"{FOLDER}.zip", downloads)
    contents = archives.read(path, FOLDER, _wanted)
    for file in (NUMBERS, WORDS, ANNOTATIONS):
        if file not in contents:
            raise ValueError(f"{path}: {FOLDER}/{file} is missing")
    numbers = sorted(" ".join(_lines(contents[NUMBERS])).split())
    words = dict(line.split("\t", 1) for line in _lines(contents[WORDS]) if "\t" in line)
    train = {name: name.split("/")[1] for name in contents if name.startswith("train/")}
    test = {}
    for line in _lines(contents[ANNOTATIONS]):
        file, number, *_ = [*line.split("\t"), ""]
        test[f"val/images/{file}"] = number
    return Dataset(
        name=settings["name"],
        classes=tuple(f"{number} {words.get(number, '?').split(',')[0]}" for number in numbers),
        train_inputs=_images(path, contents, train),
        train_labels=_labels(path, numbers, train),
        test_inputs=_images(path, contents, test),
        test_labels=_labels(path, numbers, test),
        source=f"{title('tiny-imagenet')}, {settings.get('path', 'downloaded')}",
    )


def _wanted(name: str) -> bool:
    if name in (NUMBERS, WORDS, ANNOTATIONS):
        return True
    return name.endswith(".JPEG") and name.split("/")[0] in ("train", "val")


def _lines(content: bytes) -> list[str]:
    return content.decode(errors="replace").splitlines()


def _images(
    path: str | Path, contents: Mapping[str, bytes], names: Mapping[str, str]
) -> np.ndarray:
    missing = [name for name in names if name not in contents]
    if missing:
        raise ValueError(f"{path}: {missing[0]} is missing")
    files = ((f"{path}: {name}", contents[name]) for name in names)
    images, losses = stack(files, len(names), grey=False)
    for loss, number in losses.items():
        log.warning("%s: %s (%d of %d images)", path, loss, number, len(names))
    if images.shape[2:] != (64, 64):
        raise ValueError(f"{path}: images of {images.shape[2]}x{images.shape[3]}, not 64x64 pixels")
    return images


def _labels(path: str | Path, numbers: list[str], names: Mapping[str, str]) -> np.ndarray:
    label = {number: place for place, number in enumerate(numbers)}
    unknown = [f"{name} ({number!r})" for name, number in names.items() if number not in label]
    if unknown:
        raise ValueError(f"{path}: {unknown[0]} is of no class in {NUMBERS}")
    return np.array([label[number] for number in names.values()], np.int64)
