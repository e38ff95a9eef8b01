"""Your own compression, by import path: any function from a trained network to one like it.

It is called as `function(network, inputs, bits, head_bits, seed)` and with your settings. `network`
is a copy of the trained model in eval mode, yours to change, whose parameters ask for no gradients;
`inputs` are calibration samples as it takes them, float32 on its device; `bits` and `head_bits`
(None where the head is not set apart) are the variant's. It returns a network of the same parameter
names and shapes, and its bits a weight. Weights may be subclasses of tensors, as torchao's are:
what is stored of them is dequantized.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ptq_privacy.compression import Stored, check_calibration
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.networks import structure
from ptq_privacy.study import references
from ptq_privacy.study.variants import Variant


def compress(
    reference: str,
    model: nn.Module,
    calibration: Tensor,
    variant: Variant,
    seed: int,
    settings: Mapping[str, Any],
) -> tuple[nn.Module, Stored]:
    """Compress a network by your function; arguments and result as `compression.compress` has them.

    Args:
        reference: `module:function`.

    Raises:
        ValueError: the function cannot be had, raises, or returns what cannot stand for the
            network; names it.
    """
    key = f"compression.methods: {variant.method}"
    if variant.activation_bits is not None:
        raise ValueError(f"{key}: activation bits need a built-in method")
    check_calibration(calibration)
    device = next((parameter.device for parameter in model.parameters()), calibration.device)
    inputs = calibration.to(device, torch.float32)
    function = references.find(reference, key)
    place = f"{key}: {reference}"
    try:
        with torch.enable_grad():
            result = function(
                evaluation_copy(model),
                inputs,
                variant.bits,
                variant.head_bits,
                seed,
                **settings,
            )
    except Exception as error:  # whatever the user's code does
        reason = " ".join(str(error).split())
        raise ValueError(f"{place} failed: {type(error).__name__}: {reason}") from error
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], nn.Module)):
        raise ValueError(
            f"{place} returns a {type(result).__name__}; allowed: a torch.nn.Module and its bits a "
            "weight"
        )
    network, bits = result
    number = isinstance(bits, int | float) and not isinstance(bits, bool)
    if not (number and math.isfinite(bits) and 0 < bits <= 64):
        raise ValueError(f"{place} says {bits!r} bits a weight; allowed: a number above 0, to 64")
    plain = evaluation_copy(model)
    structure.load(plain, _like(plain, network, place))
    weights = [p for p in plain.parameters() if p.ndim > 1]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    total = sum(weight.numel() for weight in weights)
    return plain, Stored({}, float(bits), zeros / max(1, total))


def _like(plain: nn.Module, network: nn.Module, place: str) -> dict[str, Tensor]:
    """A network's state as plain float32 tensors, if it is that of a network like `plain`."""
    expected = plain.state_dict()
    found = network.state_dict()
    absent = [*sorted(expected.keys() - found.keys()), *sorted(found.keys() - expected.keys())]
    if absent:
        raise ValueError(
            f"{place}: the network that it returns {'has' if absent[0] in found else 'lacks'} "
            f"{absent[0]!r}; its parameters and buffers should be the trained network's"
        )
    state = {}
    for name, own in expected.items():
        value = found[name]
        if type(value) is not Tensor and hasattr(value, "dequantize"):
            value = value.dequantize()
        if value.shape != own.shape:
            raise ValueError(
                f"{place}: {name!r} has shape {list(value.shape)}, should have {list(own.shape)}"
            )
        state[name] = value.to(own.device, own.dtype)
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{place}: {name!r} has values that are not finite")
    return state
