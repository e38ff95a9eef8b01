"""Image files to arrays of equal size, and what was lost on the way."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from ptq_privacy.data.sources.image_size import resize

FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
TRANSPARENT = "transparency dropped"
PRINTED = "CMYK turned into RGB without a colour profile"


def decode(
    content: bytes, what: str, size: Sequence[int] | None = None
) -> tuple[np.ndarray, list[str]]:
    """An image file as uint8 [1 (grey) or 3 (RGB), H, W], and what was lost.

    Args:
        content: of the file.
        what: for messages.
        size: [height, width] to bring it to, if any.

    Raises:
        ValueError: names `what` if it is no image, damaged, of several frames, or of more than 8
            bits a channel.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.mode not in (*GREY, *COLOUR) or _is_deep(image):
                deep = image.mode if image.mode not in (*GREY, *COLOUR) else f"{image.mode};16"
                raise ValueError(f"pixels of kind {deep}; allowed: 8 bits a channel")
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # a camera's JPEG with its own preview
                raise ValueError(f"{frames} frames; allowed: one")
            lost = [PRINTED] if image.mode == "CMYK" else []
            plain: Image.Image = image
            if image.has_transparency_data:
                plain = image.convert("RGBA")
                lost += [TRANSPARENT] if plain.getchannel("A").getextrema() != (255, 255) else []
            plain = plain.convert("L" if image.mode in GREY else "RGB")
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise ValueError(f"{what}: not a readable image ({error})") from None
    pixels = np.asarray(plain if size is None else resize(plain, size))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), lost


def _is_deep(image: ImageFile) -> bool:
    """Whether Pillow, on decoding, would cut 16 bits a channel down to 8 without a word."""
    for tile in image.tile:
        raw, *more = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if tile.codec_name.startswith("ppm") and more and more[0] > 255:
            return True
        if re.match(r"(?!BGR)\w+;16", str(raw)):  # BGR;16 is 16 bits in all
            return True
    return False


def stack(
    images: Iterable[tuple[str, bytes]],
    count: int,
    grey: bool = True,
    size: Sequence[int] | None = None,
    remedy: str = "",
) -> tuple[np.ndarray, Counter[str]]:
    """Decode image files to one array uint8 [count, C, H, W], and count what was lost in how many.

    C is 1 if all images are grey and `grey` says that they may stay so, else 3.

    Args:
        images: (what, content) of each file.
        count: how many there are.
        grey: see above.
        size: [height, width] to bring each to, if any.
        remedy: what the user can do about unequal sizes, for the message.

    Raises:
        ValueError: names the image that cannot be read, or whose size differs from the first's.
    """
    stacked = np.zeros((count, 3, 0, 0), np.uint8)
    lost: Counter[str] = Counter()
    for place, (what, content) in enumerate(images):
        pixels, losses = decode(content, what, size)
        lost.update(losses)
        height, width = pixels.shape[1:]
        if place == 0:
            stacked = np.empty((count, 3, height, width), np.uint8)
        if stacked.shape[2:] != (height, width):
            raise ValueError(
                f"{what}: {width}x{height} pixels, but the first image has "
                f"{stacked.shape[3]}x{stacked.shape[2]}; all must be of one size{remedy}"
            )
        stacked[place] = pixels  # one grey channel fills all three
        grey = grey and len(pixels) == 1
    return stacked[:, :1].copy() if grey else stacked, lost
