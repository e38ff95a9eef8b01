"""Showing an image to people."""

from __future__ import annotations

import numpy as np


def picture(image: np.ndarray) -> np.ndarray:
    """An image uint8 [C, H, W] as figures take it: [H, W] if it is grey, else [H, W, C]."""
    pixels = np.moveaxis(image, 0, -1)
    return pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
