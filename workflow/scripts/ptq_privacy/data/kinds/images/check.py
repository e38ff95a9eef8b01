"""What images must be to be audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def check(what: str, images: np.ndarray, details: Mapping[str, Any]) -> None:
    """Refuse an array that holds no images uint8 [N, C, H, W].

    Raises:
        ValueError: begins with `what`, and says what is allowed.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"{what} are {images.dtype}; allowed: uint8, 0 to 255")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"{what} have shape {images.shape}; allowed: [samples, channels, height, width], "
            "none of them 0"
        )


def check_statistics(what: str, statistics: dict[str, tuple[float, ...]]) -> None:
    """Refuse images with a channel that says nothing.

    Raises:
        ValueError: names the channel.
    """
    constant = [channel for channel, std in enumerate(statistics["std"]) if std == 0]
    if constant:
        raise ValueError(f"{what}: channel {constant[0]} is the same in every pixel")
