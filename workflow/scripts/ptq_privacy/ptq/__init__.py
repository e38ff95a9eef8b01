"""Post-training quantization of a network's weights: one front door, `quantize`, one file a method.

Every convolution and linear layer is quantized, weights only, one uniform grid for each output
channel; biases, normalisation and activations stay in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from ptq_privacy import experiment
from ptq_privacy.ptq import adaround, brecq, obc, refit
from ptq_privacy.ptq.batchnorm import fold, reestimate
from ptq_privacy.ptq.blocks import activation_of, find_blocks
from ptq_privacy.ptq.calibration import Moments, Walk, set_weight, unfold_weight
from ptq_privacy.ptq.distil import distil
from ptq_privacy.ptq.graph import WeightLayer, evaluation_copy, is_weight_layer, trace
from ptq_privacy.ptq.grid import Grid, QuantizedWeight, nearest, search
from ptq_privacy.ptq.rounding import Schedule
from ptq_privacy.ptq.settings import AdaRound, Brecq, Settings

__all__ = ["QuantizedWeight", "Settings", "quantize"]

DEFAULTS = Settings()

Quantized = tuple[nn.Module, dict[str, QuantizedWeight]]


def quantize(
    model: nn.Module,
    calibration: Tensor,
    precision: experiment.Precision,
    seed: int,
    settings: Settings = DEFAULTS,
) -> Quantized:
    """Quantize all convolutions and linear layers of a network.

    Args:
        model: any network of Conv2d, Linear and normalisation layers that torch.fx can trace, from
            images to logits; left untouched.
        calibration: images [n, C, H, W] as the model takes them, float32 or float64.
        precision: a quantization recipe; `head_bits` is for the last Linear layer.
        seed: of positions, minibatches and drawn labels. The same seed gives the same bits on one
            thread.
        settings: of the methods.

    Returns:
        The quantized network, float32 and in eval mode, and its codes by parameter name, such as
        "layer1.0.conv1.weight": each weight equals `dequantize(codes, grid)` bit for bit. AdaRound
        and BRECQ fold batch normalisation into convolutions (nn.Identity takes its place), OBC
        re-estimates its statistics on the calibration images, nearest rounding leaves it as it is.
        Refit folds too, and changes biases.

    Raises:
        ValueError: names what cannot be quantized: a layer, its weight, the calibration images or
            the precision.
    """
    if precision.method is None:
        raise ValueError("precision: 'full' is not a quantization recipe")
    if calibration.ndim != 4 or not len(calibration) or not calibration.is_floating_point():
        raise ValueError(
            f"calibration: expected floating-point images [n, C, H, W], not {calibration.dtype} "
            f"{list(calibration.shape)}"
        )
    if not torch.isfinite(calibration).all():
        raise ValueError("calibration: images have values that are not finite")
    model = evaluation_copy(model)
    images = calibration.to(next(model.parameters()).device, torch.float32)
    levels = _levels(model, precision)
    network, layers = METHODS[precision.method](model, images, levels, seed, settings)
    network = network.to(memory_format=torch.contiguous_format)
    return network, {f"{name}.weight": layers[name] for name in levels}


def _levels(model: nn.Module, precision: experiment.Precision) -> dict[str, int]:
    """Each layer's number of levels, in graph order."""
    assert precision.bits is not None
    modules = dict(model.named_modules())
    names = [str(n.target) for n in trace(model).nodes if is_weight_layer(n, modules)]
    levels = dict.fromkeys(names, experiment.levels(precision.bits))
    if precision.head_bits is not None:
        linear = [name for name in names if isinstance(modules[name], nn.Linear)]
        if not linear:
            raise ValueError(f"precision {precision}: the network has no Linear layer as its head")
        levels[linear[-1]] = experiment.levels(precision.head_bits)
    return levels


def _nearest(
    model: nn.Module, images: Tensor, levels: Mapping[str, int], seed: int, settings: Settings
) -> Quantized:
    layers = {name: _round(model, name, count) for name, count in levels.items()}
    for name, layer in layers.items():
        set_weight(model, name, layer)
    return model, layers


def _round(model: nn.Module, name: str, levels: int) -> QuantizedWeight:
    layer = model.get_submodule(name)
    assert isinstance(layer, WeightLayer)
    weight = unfold_weight(layer).flatten(0, 1)
    grid = search(weight, levels)
    return QuantizedWeight(nearest(weight, grid), grid)


def _adaround(
    model: nn.Module, images: Tensor, levels: Mapping[str, int], seed: int, settings: Settings
) -> Quantized:
    """Layer by layer on the folded network, each on what the quantized ones before it output."""
    method = settings.adaround
    if method.solver == "reference":
        return _by_blocks(model, images, levels, seed, settings, single_layers=True)
    full = fold(model)
    walk = Walk(full, evaluation_copy(full), images, seed, settings.positions)
    layers = {}
    for node in walk.each_node():
        name = walk.layers[node]
        layers[name] = _adaround_layer(walk, node, levels[name], method)
        walk.set_weight(name, layers[name])
    return walk.quantized.network, layers


def _adaround_layer(walk: Walk, node: fx.Node, levels: int, method: AdaRound) -> QuantizedWeight:
    activation = activation_of(node, walk.full.modules)
    if activation is not None:
        samples = walk.samples(node)
        grid = search(samples.weight.flatten(0, 1), levels)
        codes = adaround.quantize_activated(
            samples,
            activation,
            grid,
            iterations=method.iterations,
            learning_rate=method.learning_rate,
            generator=walk.generator,
        )
        return QuantizedWeight(codes, grid)

    def solve(weight: Tensor, second: Tensor, cross: Tensor, grid: Grid) -> Tensor:
        return adaround.quantize_rows(
            weight,
            second,
            cross,
            grid,
            iterations=method.iterations,
            learning_rate=method.learning_rate,
        )

    return _by_group(walk.moments(node), levels, solve)


def _by_group(
    moments: Moments, levels: int, solve: Callable[[Tensor, Tensor, Tensor, Grid], Tensor]
) -> QuantizedWeight:
    """Search one layer's grid, and solve its groups one after the other."""
    grid = search(moments.weight.flatten(0, 1), levels)
    groups, rows, _ = moments.weight.shape
    codes = [
        solve(
            moments.weight[group],
            moments.second[group],
            moments.cross[group],
            grid.rows(slice(group * rows, (group + 1) * rows)),
        )
        for group in range(groups)
    ]
    return QuantizedWeight(torch.cat(codes), grid)


def _brecq(
    model: nn.Module, images: Tensor, levels: Mapping[str, int], seed: int, settings: Settings
) -> Quantized:
    return _by_blocks(model, images, levels, seed, settings, single_layers=False)


def _by_blocks(
    model: nn.Module,
    images: Tensor,
    levels: Mapping[str, int],
    seed: int,
    settings: Settings,
    single_layers: bool,
) -> Quantized:
    """BRECQ, or the published AdaRound: the same with single layers for blocks."""
    name = "adaround" if single_layers else "brecq"
    method = settings.adaround if single_layers else settings.brecq
    _check_minibatch(images, name, method.batch)
    full = fold(model)
    walk = Walk(full, evaluation_copy(full), images, seed, settings.positions)
    blocks = find_blocks(walk, single_layers)
    importance = None
    if isinstance(method, Brecq) and method.fisher:
        importance = brecq.fisher_diagonals(walk, blocks)

    def start(node: fx.Node) -> QuantizedWeight:
        if method.solver == "reference":
            return _round(full, walk.layers[node], levels[walk.layers[node]])
        return _adaround_layer(walk, node, levels[walk.layers[node]], settings.adaround)

    layers = brecq.quantize(
        walk,
        blocks,
        start,
        None if method.solver == "reference" else brecq.MARGIN,
        Schedule(method.iterations, method.learning_rate, method.batch),
        isinstance(method, Brecq) and method.bf16,
        importance,
    )
    return walk.quantized.network, layers


def _check_minibatch(images: Tensor, method: str, batch: int) -> None:
    if len(images) < batch:
        raise ValueError(
            f"calibration: {len(images)} images are fewer than one minibatch, {method}.batch: "
            f"{batch}"
        )


def _obc(
    model: nn.Module, images: Tensor, levels: Mapping[str, int], seed: int, settings: Settings
) -> Quantized:
    """Each layer alone, on the full-precision network's inputs; then batch normalisation."""

    def solve(weight: Tensor, second: Tensor, _: Tensor, grid: Grid) -> Tensor:
        return obc.quantize_rows(weight, second.double(), grid, damping=settings.obc.damping)

    network = evaluation_copy(model)
    walk = Walk(model, None, images, seed, settings.positions)
    layers = {}
    for moments in walk.each_layer():
        layers[moments.name] = _by_group(moments, levels[moments.name], solve)
        set_weight(network, moments.name, layers[moments.name])
    return reestimate(network, images), layers


def _refit(
    model: nn.Module, images: Tensor, levels: Mapping[str, int], seed: int, settings: Settings
) -> Quantized:
    """Layer by layer on the folded network, codes, scale and bias together; then distillation."""
    method = settings.refit
    if method.iterations:
        _check_minibatch(images, "refit", method.batch)
    full = fold(model)
    walk = Walk(full, evaluation_copy(full), images, seed, settings.positions)
    layers = {}
    for moments in walk.each_layer():
        layer = walk.quantized.network.get_submodule(moments.name)
        layers[moments.name] = _refit_layer(moments, levels[moments.name], layer)
        walk.set_weight(moments.name, layers[moments.name])
    if method.iterations:
        layers = distil(full, walk.quantized.network, layers, images, method, seed)
    return walk.quantized.network, layers


def _refit_layer(moments: Moments, levels: int, layer: nn.Module) -> QuantizedWeight:
    """Fit one layer, group by group, and correct its bias in place if it has one."""
    grid = search(moments.weight.flatten(0, 1), levels)
    groups, rows, _ = moments.weight.shape
    fitted, shifts = [], []
    for group in range(groups):
        second, cross = moments.second[group], moments.cross[group]
        means = moments.input_mean[group], moments.output_mean[group]
        if layer.bias is not None:
            second, cross = refit.centred(second, cross, *means)
        part = grid.rows(slice(group * rows, (group + 1) * rows))
        fitted.append(refit.quantize_rows(moments.weight[group], second, cross, part))
        shifts.append(refit.bias_correction(*fitted[-1], *means))
    if isinstance(layer.bias, Tensor):
        with torch.no_grad():
            layer.bias.add_(torch.cat(shifts))
    scale = torch.cat([part.scale for _, part in fitted])
    return QuantizedWeight(torch.cat([codes for codes, _ in fitted]), replace(grid, scale=scale))


METHODS = {
    "nearest": _nearest,
    "adaround": _adaround,
    "brecq": _brecq,
    "obc": _obc,
    "refit": _refit,
}
