"""Every data set the study can audit, each from its own source to one prepared `Dataset`.

A source is a function from settings (one entry of the config's `datasets`) to a data set, one
module a family. What they share is here: which settings each takes, and the limit on audit samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ptq_privacy.data import dataset
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import (
    cifar,
    digits,
    fashion_mnist,
    folder,
    npz,
    parquet,
    tiny_imagenet,
)
from ptq_privacy.data.sources.split import stratified_order

SOURCES: dict[str, Callable[[Mapping[str, Any], Path], Dataset]] = {
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
    "cifar-10": cifar.load,
    "cifar-100": cifar.load,
    "tiny-imagenet": tiny_imagenet.load,
    "folder": folder.load,
    "npz": npz.load,
    "parquet": parquet.load,
}
COMMON = {"name", "source", "seed", "audit_samples"}
OPTIONS: dict[str, set[str]] = {
    "digits": set(),
    "fashion-mnist": {"path"},
    "cifar-10": {"path"},
    "cifar-100": {"path"},
    "tiny-imagenet": {"path"},
    "folder": {"path", "test_fraction"},
    "npz": {"path", "test_fraction", "classes"},
    "parquet": {"path", "test_fraction", "classes", "image_shape"},
}


def prepare(settings: Mapping[str, Any], downloads: str | Path = "downloads") -> Dataset:
    """Load, limit and check a data set; equal settings give an equal data set.

    Args:
        settings: `name`, `source` (a key of `SOURCES`), `seed` (default 0), `audit_samples` (how
            many of the training samples to keep, default all) and the source's own `OPTIONS`.
        downloads: folder that keeps what is downloaded. A source with a `path` uses no network.

    Raises:
        ValueError: names the setting or the file that is wrong, and what is allowed.
        FileNotFoundError: `path` does not exist.
        ConnectionError: a download failed for good.
    """
    name, source = settings.get("name"), settings.get("source")
    if not isinstance(name, str) or not name:
        raise ValueError("data set: a name is missing")
    if source not in SOURCES:
        raise ValueError(
            f"data set {name!r}: unknown source {source!r}; allowed: {', '.join(SOURCES)}"
        )
    unknown = sorted(settings.keys() - COMMON - OPTIONS[source])
    if unknown:
        raise ValueError(
            f"data set {name!r}: source {source} takes no {', '.join(unknown)}; allowed: "
            f"{', '.join(sorted(COMMON | OPTIONS[source]))}"
        )
    loaded = SOURCES[source](settings, Path(downloads))
    limited = _limit(loaded, settings.get("audit_samples"), settings.get("seed", 0))
    dataset.check(limited)
    return limited


def _limit(loaded: Dataset, audit_samples: int | None, seed: int) -> Dataset:
    """Keep some of the training samples, classes in proportion, in their original order."""
    available = len(loaded.train_labels)
    if audit_samples is None:
        return loaded
    if not 2 <= audit_samples <= available:
        raise ValueError(
            f"data set {loaded.name!r}: audit_samples: {audit_samples} is not between 2 and the "
            f"{available} samples that there are"
        )
    kept = sorted(stratified_order(loaded.train_labels, seed)[:audit_samples])
    return replace(
        loaded, train_images=loaded.train_images[kept], train_labels=loaded.train_labels[kept]
    )
