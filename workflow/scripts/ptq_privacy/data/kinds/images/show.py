"""Showing an image to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: Axes, image: np.ndarray, details: Mapping[str, Any]) -> None:
    """Draw an image uint8 [C, H, W]."""
    axes.imshow(picture(image), cmap="gray")


def picture(image: np.ndarray) -> np.ndarray:
    """An image uint8 [C, H, W] as figures take it: [H, W] if it is grey, else [H, W, C]."""
    pixels = np.moveaxis(image, 0, -1)
    return pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
