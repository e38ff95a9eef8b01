"""Arrays of pixels, in the forms that people store, as images uint8 [N, channels, H, W].

Numbers may be bytes, other whole numbers up to 255, or shares of 255 as floats; the channels may
stand first or last. Image files are read in `image_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod

import numpy as np
from PIL import Image

from ptq_privacy.data.sources.image_size import resize

ALLOWED = "allowed: whole numbers from 0 to 255, or floats from 0 to 1"
BLOCK = 1 << 12  # samples at a time, so that no second copy of all is made in floats
WHOLE = "floats from 0 to 1 taken times 255, which gave whole numbers"
ROUNDED = "floats from 0 to 1 taken times 255 and rounded"
EXACT = 1e-3  # of 255: what float32 makes of a multiple of 1/255 is nearer


def to_bytes(pixels: np.ndarray, what: str) -> tuple[np.ndarray, Counter[str]]:
    """Numbers of any type as uint8 0..255, and what was done to how many images.

    Floats are taken for shares of 255 and rounded to the nearest whole number.

    Args:
        pixels: [N, ...].
        what: for messages.

    Raises:
        ValueError: names `what` if they are no numbers, or beyond what is allowed.
    """
    if pixels.dtype == np.uint8:
        return pixels, Counter()
    if pixels.dtype.kind not in "iuf":
        raise ValueError(f"{what}: pixels are {pixels.dtype}; {ALLOWED}")
    whole = pixels.dtype.kind != "f"
    if pixels.size:
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= (255 if whole else 1)):  # neither is true of NaN
            raise ValueError(f"{what}: {pixels.dtype} pixels from {low} to {high}; {ALLOWED}")
    if whole:
        return pixels.astype(np.uint8), Counter()
    rounded = np.empty(pixels.shape, np.uint8)
    moved = 0.0
    for start in range(0, len(pixels), BLOCK):
        scaled = pixels[start : start + BLOCK].astype(np.float64) * 255
        nearest = np.rint(scaled)
        rounded[start : start + BLOCK] = nearest
        moved = max(moved, float(np.abs(scaled - nearest).max(initial=0)))
    return rounded, Counter({WHOLE if moved < EXACT else ROUNDED: len(pixels)})


def channels_first(images: np.ndarray, what: str) -> np.ndarray:
    """Images [N, H, W], [N, H, W, C] or [N, C, H, W] as [N, C, H, W], C being 1 or 3.

    Raises:
        ValueError: names `what` if the shape is another, or ambiguous.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and not last:
            return images
        if last and not first:
            return images.transpose(0, 3, 1, 2)
    raise ValueError(
        f"{what}: shape {images.shape}; allowed: [N, H, W], [N, H, W, C] or [N, C, H, W], "
        "with 1 or 3 channels"
    )


def shaped(flat: np.ndarray, shape: Sequence[int], what: str) -> np.ndarray:
    """Flat pixels [N, C x H x W] as [N, C, H, W], by the setting `image_shape`.

    Raises:
        ValueError: names `what` if there are more or fewer.
    """
    if len(shape) != 3 or prod(shape) != flat.shape[1]:
        raise ValueError(
            f"{what}: images of {flat.shape[1]} pixels are not of image_shape {list(shape)}"
        )
    return flat.reshape(-1, *shape)


def sized(images: np.ndarray, size: Sequence[int] | None) -> np.ndarray:
    """Images uint8 [N, C, H, W], brought to [height, width] if a size is given."""
    if size is None or not images.size or images.shape[2:] == tuple(size):
        return images
    resized = np.empty((*images.shape[:2], *size), np.uint8)
    for place, channels in enumerate(images):
        for channel, plane in enumerate(channels):
            resized[place, channel] = np.asarray(resize(Image.fromarray(plane), size))
    return resized


def in_colour(images: np.ndarray, channels: int) -> np.ndarray:
    """Grey images [N, 1, H, W] with their channel repeated, if others have more."""
    return images if images.shape[1] == channels else np.repeat(images, channels, axis=1)
