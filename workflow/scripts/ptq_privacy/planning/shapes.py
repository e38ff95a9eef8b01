"""What is known of a data set before it is prepared: its samples, their shape, its classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ptq_privacy.data import kinds
from ptq_privacy.study import fragments


@dataclass(frozen=True)
class Shape:
    """Audit samples, test samples, a sample's shape, such as [channels, height, width], classes.

    statistics: of what normalises the samples, as much as is known: the vocabulary of tokens.
    """

    samples: int
    tests: int
    inputs: tuple[int, ...]
    classes: int
    kind: str = "images"
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """Samples that a model is trained on."""
        return self.samples // 2

    @property
    def bytes(self) -> int:
        """Of the prepared data set: inputs and int64 labels."""
        each = kinds.part(self.kind, "sizes").BYTES * prod(self.inputs)
        return (self.samples + self.tests) * (each + 8)

    @property
    def sizes(self) -> dict[str, int]:
        """What a network's factory is told of the samples."""
        return kinds.part(self.kind, "sizes").sizes(self.inputs, self.statistics)


def of(name: str, settings: Mapping[str, Any], prepared: Path) -> Shape:
    """A data set's shape: its source's fragment tells it, or the prepared file of one's own data.

    Args:
        settings: of the data set, in the config.
        prepared: where the workflow puts it.

    Raises:
        ValueError: one's own data are not prepared yet, or the file is damaged.
    """
    source = fragments.get("sources", settings["source"])
    known, kind = source.more.get("shape"), source.more["kind"]
    if known is not None:
        samples = min(known["samples"], settings.get("audit_samples", known["samples"]))
        own = {**source.defaults, **settings}
        inputs = tuple(own[size] if isinstance(size, str) else size for size in known["inputs"])
        told = {"vocabulary": (own["vocabulary"],)} if "vocabulary" in own else {}
        return Shape(samples, known["tests"], inputs, known["classes"], kind, told)
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
            statistics = dict(json.loads(file.metadata()["statistics"]))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{prepared}: not a prepared data set ({error}); remove it") from error
    return Shape(samples, tests, tuple(inputs), classes, kind, statistics)
