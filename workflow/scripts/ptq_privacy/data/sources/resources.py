"""What the workflow ships about published data sets: `resources/datasets.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ptq_privacy.data.download import download

RESOURCES = Path(__file__).parents[5] / "resources" / "datasets.yaml"


@cache
def _resources() -> dict[str, Any]:
    return yaml.safe_load(RESOURCES.read_text())


def published(source: str) -> dict[str, Any]:
    """Title, files and, where the files do not hold them, class names of a published data set."""
    return _resources()[source]


def fetch(source: str, file: str, downloads: Path) -> Path:
    """A file of a published data set, downloaded unless it is there already."""
    entry = published(source)["files"][file]
    checksums = {name: entry[name] for name in ("sha256", "md5") if name in entry}
    return download(entry["addresses"], downloads / source / file, checksums)
