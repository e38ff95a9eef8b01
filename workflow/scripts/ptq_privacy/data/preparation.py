"""From a source's settings to a prepared data set: read, limited, checked.

A source is a function from settings (one entry of the config's `datasets`) and a folder for
downloads to a data set; each has a fragment that says which settings it takes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ptq_privacy.data import dataset
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.split import audited
from ptq_privacy.study import fragments

log = logging.getLogger(__name__)

COMMON = {"name", "source", "seed", "audit_samples"}


def prepare(settings: Mapping[str, Any], downloads: str | Path = "downloads") -> Dataset:
    """Load, limit and check a data set; equal settings give an equal data set.

    Args:
        settings: `name`, `source` (the name of a fragment), `seed` (default 0), `audit_samples`
            (how many of the training samples to keep, default all) and the source's own keys.
        downloads: folder that keeps what is downloaded. A source with a `path` uses no network.

    Raises:
        ValueError: names the setting or the file that is wrong, and what is allowed.
        FileNotFoundError: `path` does not exist.
        ConnectionError: a download failed for good.
    """
    name, source = settings.get("name"), settings.get("source")
    if not isinstance(name, str) or not name:
        raise ValueError("data set: a name is missing")
    known = fragments.names("sources")
    if source not in known:
        raise ValueError(
            f"data set {name!r}: unknown source {source!r}; allowed: {', '.join(known)}"
        )
    fragment = fragments.get("sources", str(source))
    unknown = sorted(settings.keys() - COMMON - fragment.properties.keys())
    if unknown:
        raise ValueError(
            f"data set {name!r}: source {source} takes no {', '.join(unknown)}; allowed: "
            f"{', '.join(sorted(COMMON | fragment.properties.keys()))}"
        )
    loaded = fragment.find()({**fragment.defaults, **settings}, Path(downloads))
    limited = _limit(loaded, settings.get("audit_samples"), settings.get("seed", 0))
    dataset.check(limited)
    log.info(
        "%s: %d audit samples of shape %s in %d classes, and %d test samples",
        name,
        len(limited.train_labels),
        "x".join(map(str, limited.train_inputs.shape[1:])),
        len(limited.classes),
        len(limited.test_labels),
    )
    return limited


def _limit(loaded: Dataset, audit_samples: int | None, seed: int) -> Dataset:
    """Keep some of the training samples, classes in proportion, in their original order."""
    kept = audited(loaded.name, loaded.train_labels, audit_samples, seed)
    if len(kept) == len(loaded.train_labels):
        return loaded  # or its source has chosen, since it learns from what is audited alone
    return replace(
        loaded, train_inputs=loaded.train_inputs[kept], train_labels=loaded.train_labels[kept]
    )
