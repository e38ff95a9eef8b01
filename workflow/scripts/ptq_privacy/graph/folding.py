"""Batch normalisation around quantization: folded into the layer before it, or re-estimated.

AdaRound and BRECQ quantize the folded network, as it would be deployed. OBC keeps normalisation and
re-estimates its running statistics afterwards, which undoes the shift that rounding caused.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ptq_privacy.graph.trace import WeightLayer, evaluation_copy, shapes, trace, weight_layer
from ptq_privacy.graph.walk import Walk


def fold(model: nn.Module, sample: Tensor) -> nn.Module:
    """A copy of the network, in eval mode, with batch normalisation folded into the layers before.

    A BatchNorm2d that is the only user of a convolution's output becomes nn.Identity, and the
    convolution gets weight w γ/σ and bias (b - μ) γ/σ + β, which leaves the outputs unchanged;
    likewise a BatchNorm1d after a Linear layer whose outputs are [N, features]. Other
    normalisations (before a convolution, over sequences, or after a sum) stay.

    Args:
        sample: some inputs of the network, for the shapes.

    Raises:
        ValueError: the network cannot be traced, or a layer cannot be quantized.
    """
    return fold_all([model], sample)[0]


def fold_all(models: Sequence[nn.Module], sample: Tensor) -> list[nn.Module]:
    """`fold` of several networks of one architecture."""
    folded = [evaluation_copy(model) for model in models]
    modules = dict(folded[0].named_modules())
    graph = trace(folded[0])
    known = shapes(graph, folded[0], sample)
    uses = [node.target for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None:
            continue
        before: fx.Node = node.args[0] if node.args else node.kwargs["input"]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        if not isinstance(layer, WeightLayer):
            continue
        rows = isinstance(layer, nn.Linear) and len(known[before] or ()) == 2
        follows = isinstance(layer, nn.Conv2d) or rows
        if follows and len(before.users) == 1 and uses.count(node.target) == 1:
            for network in folded:
                _absorb(network, str(before.target), str(node.target))
    return folded


@torch.no_grad()
def _absorb(network: nn.Module, name: str, normalisation: str) -> None:
    layer, norm = weight_layer(network, name), network.get_submodule(normalisation)
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        gain = gain * norm.weight
    bias = -norm.running_mean.double()
    if layer.bias is not None:
        bias = bias + layer.bias
    bias = bias * gain
    if norm.bias is not None:
        bias = bias + norm.bias
    layer.weight.copy_(layer.weight * gain.view(-1, *[1] * (layer.weight.ndim - 1)))
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=False)
    network.set_submodule(normalisation, nn.Identity())


@torch.no_grad()
def reestimate(model: nn.Module, calibration: Tensor) -> nn.Module:
    """Recompute every batch normalisation's running statistics on the calibration images, in place.

    Exact, unlike an average over batches: each normalisation gets the mean and the unbiased
    variance of its input over all images, each fed by the ones before it as just updated.

    Args:
        model: changed in place, and put in eval mode.
        calibration: [n, C, H, W].
    """
    return reestimate_all([model], [calibration])[0]


@torch.no_grad()
def reestimate_all(
    models: Sequence[nn.Module], calibrations: Sequence[Tensor]
) -> Sequence[nn.Module]:
    """`reestimate` of several networks of one architecture."""
    like = None
    for model, calibration in zip(models, calibrations, strict=True):
        walk = Walk(model.eval(), None, calibration, like=like)
        like = like or walk
        for node in walk.nodes:
            norm = walk.full.modules.get(str(node.target)) if node.op == "call_module" else None
            if isinstance(norm, _BatchNorm) and norm.running_mean is not None:
                _set_statistics(norm, walk.full.values(node.all_input_nodes[0]))
            walk.run(node)
            walk.free(node)
    return models


def _set_statistics(norm: _BatchNorm, inputs: list[Tensor]) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    over = [0, *range(2, inputs[0].ndim)]
    count = sum(x.numel() for x in inputs) // norm.num_features
    total = torch.stack([x.sum(over, dtype=torch.float64) for x in inputs]).sum(0)
    mean = (total / count).to(inputs[0].dtype)
    column = mean.view(-1, *[1] * (inputs[0].ndim - 2))
    squares = [(x - column).square().sum(over, dtype=torch.float64) for x in inputs]
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(torch.stack(squares).sum(0) / max(1, count - 1))
