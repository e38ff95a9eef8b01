"""Views of an image that the attacks query: the same list for every model, so none is random.

They are the deterministic counterpart of the training's augmentation: a horizontal flip, and
shifts by whole pixels with zeros moving in, as a crop of the zero-padded image gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FORMS = "identity, flip, shift:RIGHT,DOWN, flip+shift:RIGHT,DOWN"


@dataclass(frozen=True)
class View:
    """A flip (or none), then a shift of the content by pixels to the right and down."""

    flip: bool = False
    right: int = 0
    down: int = 0


def parse(text: str) -> View:
    """Read `identity`, `flip`, `shift:RIGHT,DOWN` or `flip+shift:RIGHT,DOWN`, such as `shift:-1,0`.

    Raises:
        ValueError: names the text and the forms that are allowed.
    """
    if text == "identity":
        return View()
    if text == "flip":
        return View(flip=True)
    match = re.fullmatch(r"(flip\+)?shift:(-?\d{1,4}),(-?\d{1,4})", text)
    if match is None:
        raise ValueError(f"query {text!r}: allowed: {FORMS} (pixels, such as 'shift:-1,0')")
    view = View(match[1] is not None, int(match[2]), int(match[3]))
    if view.right == view.down == 0:
        raise ValueError(f"query {text!r}: a shift by nothing; write 'identity' or 'flip'")
    return view


def parse_all(texts: Sequence[str]) -> list[View]:
    """Read a list of views: at least one, and none twice.

    Raises:
        ValueError: names the text that is wrong.
    """
    views = [parse(text) for text in texts]
    if not views:
        raise ValueError(f"queries: none given; allowed: {FORMS}")
    for place, view in enumerate(views):
        if view in views[:place]:
            raise ValueError(f"queries: {texts[place]!r} is there twice")
    return views


def apply(images: Tensor, view: View, statistics: Mapping[str, Any] | None = None) -> Tensor:
    """Show images [N, C, H, W] of any type in a view; what moves in is 0.

    Raises:
        ValueError: the shift moves everything out of the image.
    """
    height, width = images.shape[-2:]
    if abs(view.right) >= width or abs(view.down) >= height:
        raise ValueError(
            f"query shift:{view.right},{view.down}: leaves nothing of {height}x{width} images"
        )
    if view.flip:
        images = images.flip(-1)
    if view.right == view.down == 0:
        return images
    shifted = torch.zeros_like(images)
    shifted[..., _to(view.down, height), _to(view.right, width)] = images[
        ..., _to(-view.down, height), _to(-view.right, width)
    ]
    return shifted


def _to(offset: int, size: int) -> slice:
    """Where content moved by `offset` lands; with the sign turned, where it comes from."""
    return slice(max(offset, 0), size + min(offset, 0))
