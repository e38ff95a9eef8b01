"""What the sources of your own images share: parts, classes, a test set, one size and colour.

A source may bring its own test set; otherwise `test_fraction` of the samples are drawn for it by
the seed, classes in proportion. Samples keep their order. Whatever was done to the images, or left
out, is said in the log and recorded with the data set.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import image_size, labels
from ptq_privacy.data.sources.pixels import in_colour
from ptq_privacy.data.sources.split import TEST_FRACTION, test_drawn

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Part:
    """Images uint8 [N, C, H, W] and labels [N], int64 or text, of one part of a data set.

    where: the file or folder; losses: what was done to make the images so, and to how many.
    """

    images: np.ndarray
    labels: np.ndarray
    where: str
    losses: Counter[str]


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


def joined(parts: Sequence[Part]) -> Part:
    """Several files of one part as one; grey ones in colour if others are.

    Raises:
        ValueError: names the file whose images or labels are of another kind than the first's.
    """
    first = parts[0]
    for part in parts:
        _check_alike(first, part)
    channels = max(part.images.shape[1] for part in parts)
    return replace(
        first,
        images=np.concatenate([in_colour(part.images, channels) for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        losses=_sum(parts),
    )


def assemble(
    settings: Mapping[str, Any],
    train: Part,
    test: Part | None,
    notes: Sequence[str] = (),
    classes: Sequence[str] | None = None,
) -> Dataset:
    """A data set of what was read, with a test set drawn if there is none.

    Args:
        settings: of the data set.
        train: the training part, or all samples.
        test: the test part, if the data bring one.
        notes: what is to be said of the parts.
        classes: the classes' names, if the data tell them; the setting `classes` goes before.

    Raises:
        ValueError: names the data set, the file or the setting that is wrong.
    """
    name = f"data set {settings['name']!r}"
    for part in filter(None, (train, test)):
        if part.labels.shape != (len(part.images),):
            raise ValueError(
                f"{part.where}: {len(part.images)} images, but {len(part.labels)} labels"
            )
    names = labels.class_names(settings.get("classes"), classes, train.labels, train.where)
    losses = _sum(filter(None, (train, test)))
    notes = list(notes)
    if test is None:
        fraction = settings.get("test_fraction", TEST_FRACTION)
        train, test = _draw_test(name, train, fraction, settings.get("seed", 0))
        notes.append(f"test set: {fraction:g} of the samples, drawn by the seed")
    elif "test_fraction" in settings:
        raise ValueError(f"{name}: test_fraction: {settings['path']} brings its own test set")
    else:
        _check_alike(train, test)
        _check_labelled(test)
    count = len(train.images) + len(test.images)
    notes += image_size.note(settings)
    notes += [f"{loss} ({number} of {count} images)" for loss, number in sorted(losses.items())]
    for note in notes:
        log.info("%s: %s", settings["path"], note)
    channels = max(train.images.shape[1], test.images.shape[1])
    return Dataset(
        name=settings["name"],
        classes=tuple(names),
        train_inputs=in_colour(train.images, channels),
        train_labels=labels.numbered(train.labels, names, train.where),
        test_inputs=in_colour(test.images, channels),
        test_labels=labels.numbered(test.labels, names, test.where),
        source="; ".join([f"{settings['source']} {settings['path']}", *notes]),
    )


def _sum(parts: Iterable[Part]) -> Counter[str]:
    return sum((part.losses for part in parts), Counter())


def _check_alike(first: Part, other: Part) -> None:
    if first.labels.dtype.kind != other.labels.dtype.kind:
        kinds = {"i": "numbers", "U": "text"}
        raise ValueError(
            f"{other.where}: labels are {kinds[other.labels.dtype.kind]}, but "
            f"{kinds[first.labels.dtype.kind]} in {first.where}"
        )
    (height, width), (high, wide) = first.images.shape[2:], other.images.shape[2:]
    if (height, width) != (high, wide):
        raise ValueError(
            f"{other.where}: images of {wide}x{high} pixels, but {width}x{height} in "
            f"{first.where}; all must be of one size{image_size.REMEDY}"
        )


def _check_labelled(test: Part) -> None:
    """Refuse a test set whose labels are kept back, as competitions do."""
    if test.labels.dtype.kind == "i" and len(test.labels) and (test.labels < 0).all():
        raise ValueError(
            f"{test.where}: no labels in the test set (all are {test.labels[0]}); with "
            "test_split: validation, a validation set takes its place"
        )


def _draw_test(name: str, samples: Part, fraction: float, seed: int) -> tuple[Part, Part]:
    train, test = test_drawn(name, samples.labels, fraction, seed)
    return _taken(samples, train), _taken(samples, test)


def _taken(part: Part, chosen: np.ndarray) -> Part:
    return replace(part, images=part.images[chosen], labels=part.labels[chosen])
