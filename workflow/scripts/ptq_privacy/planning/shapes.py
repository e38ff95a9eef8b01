"""What is known of a data set before it is prepared: its images, their size, its classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open


@dataclass(frozen=True)
class Shape:
    """Audit samples, test images, an image's [channels, height, width], classes."""

    samples: int
    tests: int
    image: tuple[int, int, int]
    classes: int

    @property
    def members(self) -> int:
        """Samples that a model is trained on."""
        return self.samples // 2

    @property
    def bytes(self) -> int:
        """Of the prepared data set: pixels and int64 labels."""
        channels, height, width = self.image
        return (self.samples + self.tests) * (channels * height * width + 8)


PUBLISHED = {
    "digits": Shape(1500, 297, (1, 8, 8), 10),
    "fashion-mnist": Shape(60_000, 10_000, (1, 28, 28), 10),
    "cifar-10": Shape(50_000, 10_000, (3, 32, 32), 10),
    "cifar-100": Shape(50_000, 10_000, (3, 32, 32), 100),
    "tiny-imagenet": Shape(100_000, 10_000, (3, 64, 64), 200),
}


def of(name: str, settings: Mapping[str, Any], prepared: Path) -> Shape:
    """A data set's shape: as published, or read from the prepared file of one's own data.

    Args:
        settings: of the data set, in the config.
        prepared: where the workflow puts it.

    Raises:
        ValueError: one's own data are not prepared yet, or the file is damaged.
    """
    if settings["source"] in PUBLISHED:
        shape = PUBLISHED[settings["source"]]
        return replace(
            shape, samples=min(shape.samples, settings.get("audit_samples", shape.samples))
        )
    if not prepared.exists():
        raise ValueError(
            f"datasets.{name}: how many images there are is not known before they are prepared; "
            f"run: snakemake --cores 1 {prepared}"
        )
    try:
        with safe_open(prepared, "np") as file:
            samples, channels, height, width = file.get_slice("train_images").get_shape()
            tests = file.get_slice("test_images").get_shape()[0]
            classes = len(json.loads(file.metadata()["classes"]))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{prepared}: not a prepared data set ({error}); remove it") from error
    return Shape(samples, tests, (channels, height, width), classes)
