"""Compression: from a trained network and calibration samples to a variant of it.

One front door, `compress` (or `compress_all`, for several models at once), and one file a method.
The weights of every convolution, linear layer and embedding are quantized, one uniform grid for
each output channel or row, and attention is taken apart into its linear maps. So is what goes into
these layers where a variant has activation bits (activations.py), whatever the method. Biases,
normalisation and parameters that enter no matrix product stay in float32; any other weight is
refused by name.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ptq_privacy.compression import activations
from ptq_privacy.compression.grid import Grid, QuantizedWeight, stacked
from ptq_privacy.compression.packing import stored_bits
from ptq_privacy.compression.quantized_inputs import grids_of
from ptq_privacy.graph.attention import put_back, taken_apart
from ptq_privacy.graph.trace import (
    WeightLayer,
    check_layers,
    evaluation_copy,
    quantized_layers,
)
from ptq_privacy.graph.uses import check_uses
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant, levels


class Method(Protocol):
    """What a fragment's function is: `function(model, inputs, levels, seed, **settings)`."""

    def __call__(
        self,
        model: nn.Module,
        inputs: Tensor,
        levels: Mapping[str, int],
        seed: int,
        **settings: Any,
    ) -> tuple[nn.Module, dict[str, QuantizedWeight]]:
        """Compress a network.

        Args:
            model: in eval mode and float32; its to change.
            inputs: calibration samples as the model takes them, float32 on its device.
            levels: of each layer's grid, by the layer's name, in graph order.
            seed: of whatever is drawn.
            settings: the fragment's properties, every one of them.

        Returns:
            The compressed network, and its layers' codes by name. A network whose structure was
            changed says so by what stands in a layer's place: nn.Identity for a normalisation that
            was folded away. Whether activations are quantized is no concern of the method's: a walk
            shows it what a layer is really fed.
        """


class Together(Protocol):
    """What it is where the fragment says `together: true`: the same for several networks at once.

    The networks are of one architecture, so what is done in small steps for one can be done for all
    of them side by side. What becomes of a network must not depend on the others.
    """

    def __call__(
        self,
        models: Sequence[nn.Module],
        inputs: Sequence[Tensor],
        levels: Mapping[str, int],
        seeds: Sequence[int],
        **settings: Any,
    ) -> Sequence[tuple[nn.Module, dict[str, QuantizedWeight]]]:
        """Compress each network with its own inputs and seed; otherwise as `Method`."""


@dataclass(frozen=True)
class Stored:
    """What is stored of a compressed network beside its state.

    weights: codes by parameter name, such as "layer1.0.conv1.weight"; of your own method none, for
        its weights are kept as they are.
    bits_per_weight: of all parameters with two dimensions or more, as stored.
    zero_fraction: share of these that are zero.
    inputs: the grid of what goes into each layer, by the layer's name, a grid of one channel for
        the whole tensor; none where activations stay in float32.
    """

    weights: Mapping[str, QuantizedWeight]
    bits_per_weight: float
    zero_fraction: float
    inputs: Mapping[str, Grid] = field(default_factory=dict)


def compress(
    model: nn.Module,
    calibration: Tensor,
    variant: Variant,
    seed: int,
    settings: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, Stored]:
    """Compress a network by a variant's recipe.

    Args:
        model: any network of Conv2d, Linear, Embedding, MultiheadAttention and normalisation layers
            that torch.fx can trace, from inputs to logits; left untouched.
        calibration: samples as the model takes them, [n, ...], float32 or float64.
        variant: a method with a fragment; `head_bits` is for the last weight layer to run.
        seed: of positions, minibatches and drawn labels. The same seed gives the same bits on one
            thread.
        settings: the method's, in place of its fragment's defaults.

    Returns:
        The compressed network, float32 and in eval mode, and what is stored of it: each weight
        equals `dequantize(codes, grid)` bit for bit. With activation bits its attention is taken
        apart (`graph.attention.put_back`), since its linear maps are fed apart.

    Raises:
        ValueError: names what cannot be compressed: a layer, its weight, the calibration samples,
            the variant or a setting.
    """
    return compress_all([model], [calibration], variant, [seed], settings)[0]


def compress_all(
    models: Sequence[nn.Module],
    calibrations: Sequence[Tensor],
    variant: Variant,
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
) -> list[tuple[nn.Module, Stored]]:
    """Compress several networks of one architecture by a variant's recipe, side by side.

    Args:
        models: each as `compress` takes it, all made by one factory.
        calibrations: one a model, all of one shape.
        variant, settings: as there.
        seeds: one a model.

    Returns:
        For each model what `compress` alone would give, on one thread to the bit.

    Raises:
        ValueError: as there; or two models or calibrations differ in what they have in common.
    """
    if variant.method is None:
        raise ValueError("variant: 'full' is not a compression's recipe")
    fragment = fragments.get("compressions", variant.method)
    for calibration in calibrations:
        check_calibration(calibration)
    models = [evaluation_copy(model) for model in models]
    _check_alike(models, calibrations)
    inputs = [
        calibration.to(
            next((p.device for p in model.parameters()), calibration.device), torch.float32
        )
        for model, calibration in zip(models, calibrations, strict=True)
    ]
    counts, first = quantizable(models[0], inputs[0][:2], [variant])
    others = [taken_apart(m, x[:2]) for m, x in zip(models[1:], inputs[1:], strict=True)]
    for model in others:
        check_layers(model)
    models = [first, *others]
    if variant.activation_bits is not None:
        fed = activations.input_levels(first, variant.activation_bits)
        for model in models:
            activations.prepare(model, fed)
    method = fragment.find()
    settings = fragment.settings(settings or {})
    if fragment.more.get("together", False):
        found = method(models, inputs, counts[variant], seeds, **settings)
    else:
        found = [
            method(model, x, counts[variant], seed, **settings)
            for model, x, seed in zip(models, inputs, seeds, strict=True)
        ]
    if variant.activation_bits is not None:
        activations.settle([network for network, _ in found], inputs, seeds)
    return [_stored(network, layers) for network, layers in found]


def _check_alike(models: Sequence[nn.Module], calibrations: Sequence[Tensor]) -> None:
    shapes = {tuple(calibration.shape) for calibration in calibrations}
    if len(shapes) > 1:
        raise ValueError(f"calibrations: expected samples of one shape, not {sorted(shapes)}")
    made = [
        [(n, type(m)) for n, m in model.named_modules()]
        + [(n, tuple(value.shape)) for n, value in model.state_dict().items()]
        for model in models
    ]
    for index, parts in enumerate(made):
        if parts != made[0]:
            raise ValueError(f"models: number {index} is not of the first one's architecture")


def _stored(network: nn.Module, layers: Mapping[str, QuantizedWeight]) -> tuple[nn.Module, Stored]:
    """A method's result as it is handed on: attention put back, weights by parameter name."""
    network = network.to(memory_format=torch.contiguous_format)
    fed = grids_of(network)
    plain, rows = put_back(copy.deepcopy(network) if fed else network)
    weights = {name: stacked([layers[layer] for layer in rows[name]]) for name in rows}
    together = {layer for names in rows.values() for layer in names}
    weights |= {f"{name}.weight": layers[name] for name in layers if name not in together}
    weights = {name: weights[name] for name, _ in plain.named_parameters() if name in weights}
    return network if fed else plain, Stored(weights, *stored_bits(plain, weights), fed)


def quantizable(
    model: nn.Module, sample: Tensor, variants: Iterable[Variant]
) -> tuple[dict[Variant, dict[str, int]], nn.Module]:
    """How many levels each layer has in some variants, and the network with attention taken apart.

    Args:
        model: in eval mode; left untouched.
        sample: a few inputs as it takes them.
        variants: of methods that have fragments.

    Raises:
        ValueError: the network cannot be quantized so; names the layer or the parameter.
    """
    model = taken_apart(model, sample)
    names = quantized_layers(model)
    matrices = [n for n in names if isinstance(model.get_submodule(n), WeightLayer)]
    if not matrices:
        raise ValueError("model: no Conv2d or Linear layer, so there is nothing to quantize")
    check_uses(model, sample)
    counts = {}
    for variant in variants:
        assert variant.bits is not None
        assert variant.method is not None
        _check_widths(model, matrices, variant.method)
        counts[variant] = dict.fromkeys(names, levels(variant.bits))
        if variant.head_bits is not None:
            counts[variant][matrices[-1]] = levels(variant.head_bits)
    return counts, model


def _check_widths(model: nn.Module, names: Iterable[str], method: str) -> None:
    """Some methods work on a layer's second moments, which grow with the square of its inputs."""
    widest: float = fragments.get("compressions", method).more.get("widest", math.inf)
    for name in names:
        inputs = model.get_parameter(f"{name}.weight")[0].numel()
        if inputs > widest:
            raise ValueError(
                f"layer {name!r}: {inputs:,} inputs an output are too many for {method}; allowed: "
                f"up to {widest:,}"
            )


def check_calibration(calibration: Tensor) -> None:
    """Refuse calibration samples that no method could use.

    Raises:
        ValueError: says what is wrong with them.
    """
    if calibration.ndim < 2 or not len(calibration) or not calibration.is_floating_point():
        raise ValueError(
            f"calibration: expected floating-point samples [n, ...], not {calibration.dtype} "
            f"{list(calibration.shape)}"
        )
    if not torch.isfinite(calibration.float()).all():
        raise ValueError("calibration: samples have values that are not finite, as float32")
