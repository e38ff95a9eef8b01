"""Augmenting images in training: each is cropped out of a border of zeros, and mirrored."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def augmented(
    images: Tensor, flip: bool, crop_padding: int
) -> Callable[[Tensor, torch.Generator], Tensor]:
    """What draws a batch [B, C, H, W] of given samples, int64 [B], by a generator on the CPU.

    Args:
        images: of one model, [N, C, H, W].
        flip: mirror each with probability one half.
        crop_padding: pixels of the border.
    """
    padded = F.pad(images, [crop_padding] * 4)
    size = (images.shape[2], images.shape[3])

    def draw(chosen: Tensor, generator: torch.Generator) -> Tensor:
        return crop_and_flip(padded, chosen, size, flip, generator)

    return draw


def crop_and_flip(
    padded: Tensor, chosen: Tensor, size: tuple[int, int], flip: bool, generator: torch.Generator
) -> Tensor:
    """One batch [B, C, H, W] out of zero-padded images [N, C, H+2p, W+2p], each with its own draw.

    Cropping and flipping are the same gather; its result lies in channels-last memory order.
    """
    height, width = size
    count = len(chosen)
    room_y, room_x = padded.shape[2] - height, padded.shape[3] - width
    top = torch.randint(room_y + 1, (count, 1), generator=generator)
    left = torch.randint(room_x + 1, (count, 1), generator=generator)
    columns = torch.arange(width).expand(count, width)
    if flip:
        flipped = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(flipped, width - 1 - columns, columns)
    rows = (top + torch.arange(height)).to(padded.device)
    columns = (left + columns).to(padded.device)
    batch = padded[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # [B, H, W, C]
    return batch.permute(0, 3, 1, 2)
