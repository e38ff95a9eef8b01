"""What the sources of your own images share: classes, the order of channels, a test set.

A source may bring its own test set; otherwise `test_fraction` of the samples are drawn for it by
the seed, classes in proportion. Samples keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.split import stratified_order
from ptq_privacy.study.seeds import generator

TEST_FRACTION = 0.2

Part = tuple[np.ndarray, np.ndarray]  # images uint8 [N, C, H, W] and labels int64 [N]


def path_of(settings: Mapping[str, Any]) -> Path:
    """The `path` of a source that cannot do without.

    Raises:
        ValueError: the setting is missing.
        FileNotFoundError: there is nothing at this path.
    """
    if "path" not in settings:
        raise ValueError(f"data set {settings['name']!r}: source {settings['source']} needs a path")
    path = Path(settings["path"])
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    return path


def channels_first(images: np.ndarray, what: str) -> np.ndarray:
    """Images uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] as [N, C, H, W], C being 1 or 3.

    Raises:
        ValueError: names `what` if the type or the shape is another, or the shape is ambiguous.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"{what}: pixels are {images.dtype}; allowed: uint8, 0 to 255")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and not last:
            return images
        if last and not first:
            return images.transpose(0, 3, 1, 2)
    raise ValueError(
        f"{what}: shape {images.shape}; allowed: [N, H, W], [N, H, W, C] or [N, C, H, W], "
        "with 1 or 3 channels"
    )


def numbered_classes(settings: Mapping[str, Any], labels: np.ndarray, what: str) -> list[str]:
    """Names of classes that labels give by number: `classes` of the settings, or the numbers.

    Raises:
        ValueError: names `what` if there are no labels, or numbers that leave classes empty.
    """
    if "classes" in settings:
        return list(settings["classes"])
    if not len(labels):
        raise ValueError(f"{what}: no samples")
    if labels.max() >= len(labels):
        raise ValueError(
            f"{what}: label {labels.max()} of only {len(labels)} samples; allowed: 0 to the number "
            "of classes - 1, none left out"
        )
    return [str(label) for label in range(labels.max() + 1)]


def assemble(
    settings: Mapping[str, Any], classes: Sequence[str], train: Part, test: Part | None
) -> Dataset:
    """A data set of what was read, with a test set drawn if there is none.

    Raises:
        ValueError: names the data set if there are too few samples, or `test_fraction` is wrong.
    """
    name = f"data set {settings['name']!r}"
    if test is None:
        train, test = _draw_test(name, train, settings)
    elif "test_fraction" in settings:
        raise ValueError(f"{name}: test_fraction: {settings['path']} brings its own test set")
    channels = max(train[0].shape[1], test[0].shape[1])
    return Dataset(
        name=settings["name"],
        classes=tuple(classes),
        train_inputs=_in_colour(train[0], channels),
        train_labels=train[1],
        test_inputs=_in_colour(test[0], channels),
        test_labels=test[1],
        source=f"{settings['source']} {settings['path']}",
    )


def _draw_test(name: str, samples: Part, settings: Mapping[str, Any]) -> tuple[Part, Part]:
    images, labels = samples
    fraction = settings.get("test_fraction", TEST_FRACTION)
    if not 0 < fraction < 1:
        raise ValueError(f"{name}: test_fraction: {fraction} is not between 0 and 1")
    if labels.shape != (len(images),):
        raise ValueError(f"{name}: {len(images)} images, but labels of shape {labels.shape}")
    drawn = round(fraction * len(labels))
    if drawn < 1 or len(labels) - drawn < 2:
        raise ValueError(
            f"{name}: {len(labels)} samples are too few to draw {fraction:g} of them for the test"
        )
    order = stratified_order(labels, generator("test split", settings.get("seed", 0)))
    train, test = np.sort(order[:-drawn]), np.sort(order[-drawn:])
    return (images[train], labels[train]), (images[test], labels[test])


def _in_colour(images: np.ndarray, channels: int) -> np.ndarray:
    """Grey images as RGB, if the other part of the data set is in colour."""
    return images if images.shape[1] == channels else np.repeat(images, channels, axis=1)
