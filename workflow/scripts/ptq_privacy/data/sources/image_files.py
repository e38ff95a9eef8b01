"""Image files to arrays of equal size."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")
GREY = ("1", "L")
COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "LA", "CMYK", "YCbCr")
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


def decode(content: bytes, what: str) -> np.ndarray:
    """An image file's first frame as uint8 [1 (grey) or 3 (RGB), H, W]; transparency is dropped.

    Raises:
        ValueError: names `what` if it is no image, damaged, or of more than 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.mode not in (*GREY, *COLOUR):
                raise ValueError(f"pixels of kind {image.mode}; allowed: 8 bits a channel")
            pixels = np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise ValueError(f"{what}: not a readable image ({error})") from None
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def stack(images: Iterable[tuple[str, bytes]], count: int, grey: bool = True) -> np.ndarray:
    """Decode image files to one array uint8 [count, C, H, W].

    C is 1 if all images are grey and `grey` says that they may stay so, else 3.

    Args:
        images: (what, content) of each file.
        count: how many there are.

    Raises:
        ValueError: names the image that cannot be read, or whose size differs from the first's.
    """
    stacked = np.zeros((count, 3, 0, 0), np.uint8)
    for place, (what, content) in enumerate(images):
        pixels = decode(content, what)
        height, width = pixels.shape[1:]
        if place == 0:
            stacked = np.empty((count, 3, height, width), np.uint8)
        if stacked.shape[2:] != (height, width):
            raise ValueError(
                f"{what}: {width}x{height} pixels, but the first image has "
                f"{stacked.shape[3]}x{stacked.shape[2]}; all must be of one size"
            )
        stacked[place] = pixels  # one grey channel fills all three
        grey = grey and len(pixels) == 1
    return stacked[:, :1].copy() if grey else stacked
