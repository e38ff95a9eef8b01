"""Images cut into windows and put together again, as Swin's attention needs it (Liu et al. 2021).

The image is padded to whole windows, and every second layer shifts it, so that windows overlap from
layer to layer; what the shift brings together without being neighbours is masked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Sizes = tuple[int, int]


def _padded(x: Tensor, window: list[int]) -> Sizes:
    """Height and width in whole windows."""
    height, width = (
        -(-size // step) * step for size, step in zip(x.shape[1:3], window, strict=True)
    )
    return height, width


def shift_within(x: Tensor, window: list[int], shift: list[int]) -> Sizes:
    """The shift down and right; none where one window holds all."""
    sizes = zip(_padded(x, window), window, shift, strict=True)
    down, right = (0 if step >= size else by for size, step, by in sizes)
    return down, right


def _cut(x: Tensor, window: list[int]) -> Tensor:
    """[N, H, W, C] to [N windows, positions, C]."""
    x = x.unflatten(2, (-1, window[1])).unflatten(1, (-1, window[0]))
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def partition(x: Tensor, window: list[int], shift: list[int]) -> Tensor:
    """Images [N, H, W, C] as windows [N windows, positions, C]."""
    (height, width), by = _padded(x, window), shift_within(x, window, shift)
    x = F.pad(x, (0, 0, 0, width - x.shape[2], 0, height - x.shape[1]))
    return _cut(x.roll((-by[0], -by[1]), (1, 2)), window)


def merge(windows: Tensor, x: Tensor, window: list[int], shift: list[int]) -> Tensor:
    """The inverse of `partition`; `x` is what it cut."""
    (height, width), by = _padded(x, window), shift_within(x, window, shift)
    tall, wide = height // window[0], width // window[1]
    whole = windows.unflatten(1, (window[0], window[1])).unflatten(0, (-1, tall, wide))
    whole = whole.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return whole.roll(by, (1, 2))[:, : x.shape[1], : x.shape[2]]


def window_mask(x: Tensor, window: list[int], shift: Sizes) -> Tensor:
    """What to add to the products of positions that were no neighbours: -100, as published.

    Returns:
        [windows of an image, positions, positions].
    """
    regions = []
    for size, step, by in zip(_padded(x, window), window, shift, strict=True):
        region = torch.zeros(size, device=x.device)
        if by:
            region[size - step : size - by], region[size - by :] = 1, 2
        regions.append(region)
    number = (3 * regions[0][:, None] + regions[1])[None, :, :, None]
    own = _cut(number, window)[..., 0]
    return torch.zeros((), dtype=x.dtype, device=x.device).masked_fill(
        own[:, None] != own[:, :, None], -100.0
    )
