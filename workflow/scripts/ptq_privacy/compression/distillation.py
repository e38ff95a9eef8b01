"""Distillation: scales and biases learned from the full-precision network's predictions.

Layer by layer, each error is made as small as it can be; what counts is what they add up to at the
network's end. The codes stay as they are, so only a scale and a bias for each output channel move:
too few numbers to learn the calibration images by heart. No labels are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.rounding import Adam
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.graph.walk import CHUNK
from ptq_privacy.study.seeds import seed_of


@torch.enable_grad()
def distil(
    full: nn.Module,
    quantized: nn.Module,
    layers: Mapping[str, QuantizedWeight],
    images: Tensor,
    iterations: int,
    learning_rate: float,
    batch: int,
    seed: int,
) -> dict[str, QuantizedWeight]:
    """Minimise the divergence of predictions, KL(full || quantized), by Adam on minibatches.

    Args:
        full: the full-precision network, from images to logits [n, classes].
        quantized: its copy with quantized weights, whose weights and biases are changed in place.
        layers: codes and grids by layer name.
        images: [n, C, H, W].
        iterations, learning_rate: of Adam; the rate is decayed by a cosine.
        batch: images a minibatch.
        seed: of the minibatches.

    Returns:
        The layers with their new scales and the same codes. Where the divergence over all images
        did not fall, layers and networks stay as they were.

    Raises:
        ValueError: the network does not return logits [n, classes].
    """
    expected = _predictions(full, images)
    before = _divergence(_predictions(quantized, images), expected)
    gains = {name: torch.zeros_like(layer.grid.scale) for name, layer in layers.items()}
    own = dict(quantized.named_parameters())
    biases = {n: own[f"{n}.bias"].detach().clone() for n in layers if f"{n}.bias" in own}
    learned = [p.requires_grad_() for p in (*gains.values(), *biases.values())]
    adams = [Adam.of(parameter) for parameter in learned]
    generator = torch.Generator().manual_seed(seed_of("distillation", seed))
    for iteration in range(iterations):
        way = math.pi * iteration / iterations
        rate = learning_rate * (1 + math.cos(way)) / 2
        drawn = torch.randperm(len(images), generator=generator)[:batch].to(images.device)
        logits = torch.func.functional_call(
            quantized, _parameters(layers, gains, biases, quantized), images[drawn]
        )
        loss = _divergence(logits.log_softmax(1), expected[drawn])
        gradients = torch.autograd.grad(loss, learned)
        for adam, parameter, gradient in zip(adams, learned, gradients, strict=True):
            adam.step(parameter, gradient, rate)
    return _kept_if_better(quantized, layers, gains, biases, images, expected, before)


def _parameters(
    layers: Mapping[str, QuantizedWeight],
    gains: Mapping[str, Tensor],
    biases: Mapping[str, Tensor],
    network: nn.Module,
) -> dict[str, Tensor]:
    """Weights exp(gain) scale (code - zero point) and biases, by parameter name."""
    parameters = {f"{name}.bias": bias for name, bias in biases.items()}
    for name, layer in layers.items():
        scale, zero_point = layer.grid.columns(torch.float32)
        weight = gains[name].exp()[:, None] * scale * (layer.codes - zero_point)
        shape = network.get_parameter(f"{name}.weight").shape
        parameters[f"{name}.weight"] = weight.view(shape)
    return parameters


@torch.no_grad()
def _kept_if_better(
    quantized: nn.Module,
    layers: Mapping[str, QuantizedWeight],
    gains: Mapping[str, Tensor],
    biases: Mapping[str, Tensor],
    images: Tensor,
    expected: Tensor,
    before: Tensor,
) -> dict[str, QuantizedWeight]:
    old = {name: quantized.get_parameter(f"{name}.bias").clone() for name in biases}
    learned = {
        name: replace(layer, grid=replace(layer.grid, scale=layer.grid.scale * gains[name].exp()))
        for name, layer in layers.items()
    }
    _set(quantized, learned, biases)
    if _divergence(_predictions(quantized, images), expected) < before:
        return learned
    _set(quantized, layers, old)
    return dict(layers)


def _set(
    network: nn.Module, layers: Mapping[str, QuantizedWeight], biases: Mapping[str, Tensor]
) -> None:
    for name, layer in layers.items():
        set_weight(network, name, layer.values)
    for name, bias in biases.items():
        network.get_parameter(f"{name}.bias").copy_(bias)


@torch.no_grad()
def _predictions(network: nn.Module, images: Tensor) -> Tensor:
    """Log-probabilities [n, classes]."""
    logits = [network(chunk) for chunk in images.split(CHUNK)]
    if not isinstance(logits[0], Tensor) or logits[0].ndim != 2:
        raise ValueError("refit: the network should return logits [n, classes]")
    return torch.cat(logits).log_softmax(1)


def _divergence(got: Tensor, expected: Tensor) -> Tensor:
    return F.kl_div(got, expected, log_target=True, reduction="batchmean")
