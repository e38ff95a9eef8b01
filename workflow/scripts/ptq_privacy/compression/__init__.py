"""Compression: from a trained network and calibration samples to a variant of it.

One front door, `compress`, and one file a method. Every convolution, linear layer and embedding is
quantized, weights only, one uniform grid for each output channel or row, and attention is taken
apart into its linear maps. Biases, normalisation, activations and parameters that enter no matrix
product stay in float32; any other weight is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight, stacked
from ptq_privacy.compression.packing import stored_bits
from ptq_privacy.graph.attention import put_back, taken_apart
from ptq_privacy.graph.trace import WeightLayer, evaluation_copy, quantized_layers
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
            was folded away.
        """


@dataclass(frozen=True)
class Stored:
    """What is stored of a compressed network beside its state.

    weights: codes by parameter name, such as "layer1.0.conv1.weight"; of your own method none, for
        its weights are kept as they are.
    bits_per_weight: of all parameters with two dimensions or more, as stored.
    zero_fraction: share of these that are zero.
    """

    weights: Mapping[str, QuantizedWeight]
    bits_per_weight: float
    zero_fraction: float


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
        equals `dequantize(codes, grid)` bit for bit.

    Raises:
        ValueError: names what cannot be compressed: a layer, its weight, the calibration samples,
            the variant or a setting.
    """
    if variant.method is None:
        raise ValueError("variant: 'full' is not a compression's recipe")
    fragment = fragments.get("compressions", variant.method)
    check_calibration(calibration)
    model = evaluation_copy(model)
    device = next((parameter.device for parameter in model.parameters()), calibration.device)
    inputs = calibration.to(device, torch.float32)
    counts, model = quantizable(model, inputs[:2], [variant])
    method: Method = fragment.find()
    settings = fragment.settings(settings or {})
    network, layers = method(model, inputs, counts[variant], seed, **settings)
    network, rows = put_back(network.to(memory_format=torch.contiguous_format))
    weights = {name: stacked([layers[layer] for layer in rows[name]]) for name in rows}
    together = {layer for names in rows.values() for layer in names}
    weights |= {f"{name}.weight": layers[name] for name in layers if name not in together}
    weights = {name: weights[name] for name, _ in network.named_parameters() if name in weights}
    return network, Stored(weights, *stored_bits(network, weights))


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
