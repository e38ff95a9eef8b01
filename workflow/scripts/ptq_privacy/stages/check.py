"""Stage: your own network, tried on a few images before any of its models is trained."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ptq_privacy.data import dataset
from ptq_privacy.data.files import replacing
from ptq_privacy.models import architectures, training
from ptq_privacy.ptq import graph

log = logging.getLogger(__name__)


def check_network(
    dataset_path: str | Path, output: str | Path, factory: str, quantized: bool
) -> None:
    """Try a factory's network on the first images, and write its size and layers as JSON.

    Args:
        quantized: whether the study will quantize it.

    Raises:
        ValueError: as `check`, or what in it cannot be quantized.
    """
    data = dataset.read(dataset_path)
    images = torch.tensor(data.train_images[:4])
    network = architectures.build(factory, len(data.classes), images.shape[1])
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    check(network, training.normalise(images, mean, std), len(data.classes), factory)
    if quantized:
        try:
            graph.trace(network)
        except ValueError as error:
            raise ValueError(f"architectures: {factory}: {error}") from None
    found = {
        "factory": factory,
        "classes": len(data.classes),
        "images": list(images.shape[1:]),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weight_layers": [
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)
        ],
    }
    log.info("%s: %d parameters", factory, found["parameters"])
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")


def check(network: nn.Module, images: Tensor, classes: int, factory: str) -> None:
    """See that a network can be trained, queried and stored.

    Its normalisation statistics change: check one that is not used afterwards.

    Args:
        images: some of the data set's, normalised, [N, C, H, W].

    Raises:
        ValueError: it fails on such images, its output is not [N, classes], or its state cannot be
            stored; names the factory.
    """
    shape = tuple(images.shape)
    network = network.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    for mode in (True, False):
        try:
            with torch.no_grad():
                logits = network.train(mode)(images)
        except Exception as error:
            raise ValueError(
                f"architectures: {factory} fails on images {shape} in channels-last order: "
                f"{type(error).__name__}: {error}"
            ) from error
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if found != (len(images), classes):
            raise ValueError(
                f"architectures: {factory} turns images {shape} into {found}; "
                f"expected one logit a class, {(len(images), classes)}"
            )
    try:
        save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})
    except (RuntimeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"architectures: {factory}: its state cannot be stored: {reason}"
        ) from error
