"""The one way in which an image is brought to another size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

REMEDY = ", or resize: [height, width] brings them to one"


def resize(image: Image.Image, size: Sequence[int]) -> Image.Image:
    """An image stretched or shrunk to [height, width], bilinear; shrinking averages (antialias)."""
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def note(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What to say of a data set whose settings hold `resize`."""
    if "resize" not in settings:
        return ()
    height, width = settings["resize"]
    return (f"resized to {width}x{height} pixels by Pillow, bilinear with antialias",)
