"""What is known of a data set before it is prepared: its samples, their shape, its classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ptq_privacy.study import fragments


@dataclass(frozen=True)
class Shape:
    """Audit samples, test samples, a sample's shape, such as [channels, height, width], classes."""

    samples: int
    tests: int
    inputs: tuple[int, ...]
    classes: int

    @property
    def members(self) -> int:
        """Samples that a model is trained on."""
        return self.samples // 2

    @property
    def bytes(self) -> int:
        """Of the prepared data set: pixels and int64 labels."""
        return (self.samples + self.tests) * (prod(self.inputs) + 8)


def of(name: str, settings: Mapping[str, Any], prepared: Path) -> Shape:
    """A data set's shape: its source's fragment tells it, or the prepared file of one's own data.

    Args:
        settings: of the data set, in the config.
        prepared: where the workflow puts it.

    Raises:
        ValueError: one's own data are not prepared yet, or the file is damaged.
    """
    known = fragments.get("sources", settings["source"]).more.get("shape")
    if known is not None:
        samples = min(known["samples"], settings.get("audit_samples", known["samples"]))
        return Shape(**{**known, "samples": samples, "inputs": tuple(known["inputs"])})
    if not prepared.exists():
        raise ValueError(
            f"datasets.{name}: how many samples there are is not known before they are prepared; "
            f"run: snakemake --cores 1 --configfile CONFIG {prepared}"
        )
    try:
        with safe_open(prepared, "np") as file:
            samples, *inputs = file.get_slice("train_inputs").get_shape()
            tests = file.get_slice("test_inputs").get_shape()[0]
            classes = len(json.loads(file.metadata()["classes"]))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{prepared}: not a prepared data set ({error}); remove it") from error
    return Shape(samples, tests, tuple(inputs), classes)
