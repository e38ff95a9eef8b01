"""The files of published data sets, as their sources' fragments tell: addresses and checksums."""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.data.download import download
from ptq_privacy.study import fragments


def classes(source: str) -> tuple[str, ...]:
    """Names of the classes, where a data set's own files do not hold them."""
    return tuple(fragments.get("sources", source).more["classes"])


def title(source: str) -> str:
    """What a published data set is called, and who made it."""
    return fragments.get("sources", source).title


def fetch(source: str, file: str, downloads: Path) -> Path:
    """A file of a published data set, downloaded unless it is there already."""
    entry = fragments.get("sources", source).more["files"][file]
    checksums = {name: entry[name] for name in ("sha256", "md5") if name in entry}
    return download(entry["addresses"], downloads / source / file, checksums)
