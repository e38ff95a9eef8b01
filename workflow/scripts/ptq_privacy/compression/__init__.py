"""Compression: from a trained network and calibration samples to a variant of it.

One front door, `compress`, and one file a method. Every convolution and linear layer is quantized,
weights only, one uniform grid for each output channel; biases, normalisation and activations stay
in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.packing import stored_bits
from ptq_privacy.graph.trace import evaluation_copy, is_weight_layer, trace
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
        model: any network of Conv2d, Linear and normalisation layers that torch.fx can trace, from
            inputs to logits; left untouched.
        calibration: samples as the model takes them, [n, ...], float32 or float64.
        variant: a method with a fragment; `head_bits` is for the last Linear layer.
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
    counts = _levels(model, variant)
    inputs = calibration.to(next(model.parameters()).device, torch.float32)
    method: Method = fragment.find()
    network, layers = method(model, inputs, counts, seed, **fragment.settings(settings or {}))
    network = network.to(memory_format=torch.contiguous_format)
    weights = {f"{name}.weight": layers[name] for name in counts}
    return network, Stored(weights, *stored_bits(network, weights))


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


def _levels(model: nn.Module, variant: Variant) -> dict[str, int]:
    """Each layer's number of levels, in graph order."""
    assert variant.bits is not None
    modules = dict(model.named_modules())
    names = [str(n.target) for n in trace(model).nodes if is_weight_layer(n, modules)]
    if not names:
        raise ValueError("model: no Conv2d or Linear layer, so there is nothing to quantize")
    counts = dict.fromkeys(names, levels(variant.bits))
    if variant.head_bits is not None:
        linear = [name for name in names if isinstance(modules[name], nn.Linear)]
        if not linear:
            raise ValueError(f"variant {variant}: the network has no Linear layer as its head")
        counts[linear[-1]] = levels(variant.head_bits)
    return counts
