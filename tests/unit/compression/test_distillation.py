"""Distillation moves scales and biases alone, and only where predictions come closer."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.compression.distillation import distil
from ptq_privacy.compression.grid import QuantizedWeight, dequantize, nearest, search
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.graph.trace import evaluation_copy


@pytest.fixture
def networks() -> tuple[nn.Module, nn.Module, dict[str, QuantizedWeight], Tensor]:
    """A network, its copy rounded to four levels, the codes, and images."""
    torch.manual_seed(0)
    full = evaluation_copy(
        nn.Sequential(
            nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5, bias=False), nn.ReLU()
        )
    )
    quantized, layers = copy.deepcopy(full), {}
    for name in ("0", "3"):
        weight = full.get_submodule(name).weight.flatten(1)
        grid = search(weight, 4)
        layers[name] = QuantizedWeight(nearest(weight, grid), grid)
        set_weight(quantized, name, layers[name].values)
    return full, quantized, layers, 3 * torch.randn(150, 2, 6, 6)


def divergence(full: nn.Module, quantized: nn.Module, images: Tensor) -> float:
    expected, got = full(images).softmax(1), quantized(images).softmax(1)
    return float((expected * (expected / got).log()).sum(1).mean())


def test_predictions_come_closer_by_scales_and_biases_alone(networks) -> None:
    full, quantized, layers, images = networks
    before, weights = divergence(full, quantized, images), copy.deepcopy(full.state_dict())
    learned = distil(full, quantized, layers, images, 60, 0.01, 32, seed=0)
    assert divergence(full, quantized, images) < 0.9 * before
    for name, layer in learned.items():
        assert torch.equal(layer.codes, layers[name].codes)
        assert torch.equal(layer.grid.zero_point, layers[name].grid.zero_point)
        assert (layer.grid.scale > 0).all()
        assert not torch.equal(layer.grid.scale, layers[name].grid.scale)
        weight = quantized.get_submodule(name).weight
        assert torch.equal(weight, dequantize(layer.codes, layer.grid).view_as(weight))
    assert quantized[3].bias is None
    assert all(torch.equal(weights[key], value) for key, value in full.state_dict().items())


def test_what_does_not_bring_predictions_closer_is_undone(networks) -> None:
    full, quantized, layers, images = networks
    before = copy.deepcopy(quantized.state_dict())
    learned = distil(full, quantized, layers, images, 2, learning_rate=50.0, batch=32, seed=0)
    assert all(torch.equal(learned[name].grid.scale, layers[name].grid.scale) for name in layers)
    assert all(torch.equal(before[key], value) for key, value in quantized.state_dict().items())


def test_one_step_is_adams_on_the_divergence(networks) -> None:
    full, quantized, layers, images = networks
    bias = quantized[0].bias.clone().requires_grad_()
    logits = torch.func.functional_call(quantized, {"0.bias": bias}, images)
    loss = F.kl_div(
        logits.log_softmax(1), full(images).log_softmax(1), log_target=True, reduction="batchmean"
    )
    (gradient,) = torch.autograd.grad(loss, bias)
    distil(full, quantized, layers, images, 1, 1e-3, batch=150, seed=0)
    moved = quantized[0].bias - bias.detach()
    torch.testing.assert_close(moved, -1e-3 * gradient.sign(), atol=1e-6, rtol=1e-2)


def test_a_network_without_logits_is_refused(networks) -> None:
    full, quantized, layers, images = networks
    with pytest.raises(ValueError, match="the network should return logits"):
        distil(full[:2], quantized[:2], {"0": layers["0"]}, images, 1, 0.01, 32, seed=0)
