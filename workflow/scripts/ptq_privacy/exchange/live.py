"""Any stored variant as a network that runs: it takes inputs as the prepared data set holds them.

A checkpoint says what makes its network: the factory, what normalises the inputs, and what
compressing changed in the structure. Nothing of it is guessed, and nothing in the file is executed;
a network of your own is made by your own module, sought in the working directory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptq_privacy.compression import packing
from ptq_privacy.files import checkpoints
from ptq_privacy.networks import structure
from ptq_privacy.networks.factories import Factory
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.networks.structure import Structure


def told(
    factory: Factory,
    changes: Structure,
    kind: str,
    statistics: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """What a checkpoint must keep of its networks for `live` to make them again: plain data."""
    return {
        "factory": asdict(factory),
        "structure": asdict(changes),
        "kind": kind,
        "statistics": {name: list(values) for name, values in statistics.items()},
    }


def made_of(path: str | Path) -> Factory:
    """What makes the networks of a shard, before any compression.

    Raises:
        ValueError: the file is damaged or does not say so; names it.
    """
    try:
        known = checkpoints.read_metadata(path)["live"]["factory"]
        return Factory(**{**known, "inputs": tuple(known["inputs"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: does not say what makes its networks ({error!r})") from error


def live(path: str | Path, model: int) -> Normalised:
    """A stored model as a network in eval mode, on the CPU, its normalisation inside.

    Args:
        path: a checkpoint shard, of full precision or any variant.
        model: its number in the pool.

    Returns:
        A network from inputs, such as images uint8 [N, C, H, W], to logits float32 [N, classes].
        Quantized weights are bit for bit what their codes stand for.

    Raises:
        ValueError: the file is damaged, does not hold the model or does not say what makes it, or
            its factory cannot be had; names the file.
    """
    tensors, made = checkpoints.read(path, model)
    factory = made_of(path)
    try:
        changes = _structure(made["structure"])
        kind, statistics = made["kind"], made["statistics"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: does not say what makes its networks ({error!r})") from error
    try:
        restored = structure.restore(factory.build(), changes, packing.decode(tensors))
    except ValueError as error:
        raise ValueError(f"{path}: model {model}: {error}") from error
    return Normalised(restored, kind, statistics).eval()


def _structure(known: Mapping[str, Any]) -> Structure:
    return Structure(tuple(known["folded"]), tuple(known["biased"]), known["versions"])
