"""Normalising images: the data set's mean and deviation of each channel are removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def statistics(images: np.ndarray, details: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """`mean` and `std` of each channel of images uint8 [N, C, H, W], of pixels scaled to 0..1."""
    values = np.arange(256) / 255
    frequencies = _histogram(images)
    frequencies = frequencies / frequencies.sum(axis=1, keepdims=True)
    mean = frequencies @ values
    variance = (frequencies * (values - mean[:, None]) ** 2).sum(axis=1)
    return {"mean": tuple(mean.tolist()), "std": tuple(np.sqrt(variance).tolist())}


def _histogram(images: np.ndarray) -> np.ndarray:
    """How often each of the 256 pixel values occurs in each channel: [N, C, H, W] -> [C, 256]."""
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), 1024):  # bincount widens its input eightfold
        for channel in range(images.shape[1]):
            pixels = images[start : start + 1024, channel].ravel()
            counts[channel] += np.bincount(pixels, minlength=256)
    return counts


def apply(images: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
    """Pixels [N, C, H, W] in 0..255 to float32 with the data set's mean and deviation removed.

    Args:
        images: of any number type, on the statistics' device.
        statistics: `mean` and `std` of pixels in 0..1, float32 [C].
    """
    mean, std = statistics["mean"], statistics["std"]
    scale = (1 / (255 * std)).view(1, -1, 1, 1)
    return images.float() * scale - (mean / std).view(1, -1, 1, 1)
