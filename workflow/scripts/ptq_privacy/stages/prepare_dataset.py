"""Stage: one data set, from its source to numbered samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptq_privacy.data import dataset, preparation
from ptq_privacy.files.origin import Origin


def prepare_dataset(output: str | Path, settings: Mapping[str, Any], origin: Origin) -> None:
    """Prepare a data set, as `preparation.prepare` does, and write it."""
    dataset.write(output, preparation.prepare(settings), origin)
