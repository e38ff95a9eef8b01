"""Asking a network: logits of every view of every sample, always in eval mode and float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ptq_privacy.models.training import normalise

BATCH = {"cpu": 128, "cuda": 2048}
"""Images a forward pass: what stays in a core's cache, and what fills a GPU."""


@torch.inference_mode()
def logits(
    network: nn.Module, images: Tensor, mean: Tensor, std: Tensor, samples: Tensor | None = None
) -> Tensor:
    """Logits float32 [N, classes] of uint8 images [M, C, H, W], on the images' device.

    N are the samples, int64 [N], or all images in order. Batch normalisation uses its running
    statistics: a batch's own would let one sample's answer depend on the others. Beside the images
    only one batch of them is in memory.
    """
    network.eval().to(memory_format=torch.channels_last)
    batch = BATCH[images.device.type]
    if samples is None:
        parts = iter(images.split(batch))
    else:
        parts = (images[chosen] for chosen in samples.split(batch))
    return torch.cat(
        [
            network(normalise(part.to(memory_format=torch.channels_last), mean, std))
            for part in parts
        ]
    )


def accuracy(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    mean: Tensor,
    std: Tensor,
    samples: Tensor | None = None,
) -> float:
    """Share of the samples, or of all images, whose largest logit is their label's."""
    answers = logits(network, images, mean, std, samples).argmax(1)
    expected = labels if samples is None else labels[samples]
    return float((answers == expected).double().mean())
