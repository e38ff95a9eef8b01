"""Asking a network: logits of every view of every sample, always in eval mode and float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ptq_privacy.networks.memory_order import in_order, memory_order

BATCH = {"cpu": 128, "cuda": 2048}
"""Samples a forward pass: what stays in a core's cache, and what fills a GPU."""


@torch.inference_mode()
def logits(network: nn.Module, inputs: Tensor, samples: Tensor | None = None) -> Tensor:
    """Logits float32 [N, classes] of inputs [M, ...], on the inputs' device.

    N are the samples, int64 [N], or all inputs in order. Batch normalisation uses its running
    statistics: a batch's own would let one sample's answer depend on the others. Beside the inputs
    only one batch of them is in memory.

    Args:
        network: takes inputs as they are, its normalisation inside.
    """
    order = memory_order(network)
    network.eval().to(memory_format=order)
    batch = BATCH[inputs.device.type]
    if samples is None:
        parts = iter(inputs.split(batch))
    else:
        parts = (inputs[chosen] for chosen in samples.split(batch))
    return torch.cat([network(in_order(part, order)) for part in parts])


def accuracy(
    network: nn.Module, inputs: Tensor, labels: Tensor, samples: Tensor | None = None
) -> float:
    """Share of the samples, or of all inputs, whose largest logit is their label's."""
    answers = logits(network, inputs, samples).argmax(1)
    expected = labels if samples is None else labels[samples]
    return float((answers == expected).double().mean())
