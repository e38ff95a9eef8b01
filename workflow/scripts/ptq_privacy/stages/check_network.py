"""Stage: a network tried on a few samples before any of its models is trained."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ptq_privacy.compression import quantizable
from ptq_privacy.data import dataset, kinds
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.files.atomic import replacing
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.networks import factories
from ptq_privacy.networks.memory_order import in_order
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.study import references
from ptq_privacy.study.experiment import SGD
from ptq_privacy.study.variants import Variant
from ptq_privacy.training import procedure
from ptq_privacy.training.epochs import Recipe

log = logging.getLogger(__name__)


def check_network(
    dataset_path: str | Path,
    output: str | Path,
    function: str,
    settings: Mapping[str, Any],
    variants: Sequence[Variant],
    training: str = SGD,
    recipe: Mapping[str, Any] | None = None,
) -> None:
    """Try a factory's network on the first samples, and write its size and layers as JSON.

    Args:
        function, settings: as `factories.build` takes them.
        variants: what the study will make of it by methods that have fragments.
        training, recipe: as `experiment.training_of` has them, of a training that not every network
            can have: your own, or a differentially private one.

    Raises:
        ValueError: as `check`; what in it cannot be quantized; or it cannot be trained so.
    """
    data = dataset.read(dataset_path)
    inputs = torch.tensor(data.train_inputs[:4])
    sizes = kinds.part(data.kind, "sizes").sizes(inputs.shape[1:], data.statistics)
    network = factories.build(function, len(data.classes), sizes, settings)
    normalised = Normalised(network, data.kind, data.statistics).normalise(inputs)
    check(network, normalised, len(data.classes), function)
    if references.is_own(training):
        references.find(training, procedure.KEY)
    elif training != SGD:
        _check_privacy(network, normalised, data, Recipe(**(recipe or {})), function)
    if variants:
        try:
            quantizable(evaluation_copy(network), normalised[:2], variants)
        except ValueError as error:
            raise ValueError(f"networks: {function}: {error}") from None
    found = {
        "factory": function,
        "classes": len(data.classes),
        "inputs": list(inputs.shape[1:]),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    log.info("%s: %d parameters", function, found["parameters"])
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")


def _check_privacy(
    network: nn.Module, samples: Tensor, data: Dataset, recipe: Recipe, function: str
) -> None:
    from ptq_privacy.training import dp_sgd  # only such trainings import Opacus

    labels = torch.tensor(data.train_labels[: len(samples)])
    dp_sgd.noise_multiplier(recipe, len(data.train_labels) // 2)
    try:
        dp_sgd.check(network, samples, labels)
    except ValueError as error:
        raise ValueError(f"networks: {function}: {error}") from error


def check(network: nn.Module, samples: Tensor, classes: int, function: str) -> None:
    """See that a network can be trained, queried and stored.

    Its normalisation statistics change: check one that is not used afterwards.

    Args:
        samples: some of the data set's, normalised, [N, ...].

    Raises:
        ValueError: it fails on such samples, its output is not [N, classes], or its state cannot be
            stored; names the factory.
    """
    shape = tuple(samples.shape)
    network = network.to(memory_format=torch.channels_last)
    samples = in_order(samples, torch.channels_last)
    order = " in channels-last order" if samples.ndim == 4 else ""
    for mode in (True, False):
        try:
            with torch.no_grad():
                logits = network.train(mode)(samples)
        except Exception as error:
            raise ValueError(
                f"networks: {function} fails on inputs {shape}{order}: "
                f"{type(error).__name__}: {error}"
            ) from error
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if found != (len(samples), classes):
            raise ValueError(
                f"networks: {function} turns inputs {shape} into {found}; "
                f"expected one logit a class, {(len(samples), classes)}"
            )
    try:
        save({name: value.cpu().contiguous() for name, value in network.state_dict().items()})
    except (RuntimeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"networks: {function}: its state cannot be stored: {reason}") from error
