"""Asking a network: logits of every view of every sample, always in eval mode and float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ptq_privacy.models.training import normalise

BATCH = {"cpu": 128, "cuda": 2048}
"""Images a forward pass: what stays in a core's cache, and what fills a GPU."""


@torch.inference_mode()
def logits(network: nn.Module, images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Logits float32 [N, classes] of uint8 images [N, C, H, W], on the images' device.

    Batch normalisation uses its running statistics: a batch's own would let one sample's answer
    depend on the others.
    """
    network.eval().to(memory_format=torch.channels_last)
    batches = images.to(memory_format=torch.channels_last).split(BATCH[images.device.type])
    return torch.cat([network(normalise(batch, mean, std)) for batch in batches])


def accuracy(
    network: nn.Module, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor
) -> float:
    """Share of images whose largest logit is their label's."""
    answers = logits(network, images, mean, std).argmax(1)
    return float((answers == labels).double().mean())
