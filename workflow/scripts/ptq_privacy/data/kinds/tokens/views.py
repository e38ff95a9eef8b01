"""Views of a text that the attacks query: the same for every model, so nothing in them is random.

A text of which some tokens are left out, and the others moved together, says what a model makes of
a part of it; where the model has learned the text by heart, a part is enough for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ptq_privacy.data.kinds.parts import dropped

WHOLE = ("identity", "first-half", "last-half")


def parse_all(texts: Sequence[str]) -> list[str]:
    """Check a list of views: `identity`, `first-half`, `last-half` or `drop:PART/PARTS`.

    Raises:
        ValueError: names the text that is wrong.
    """
    for text in texts:
        if text not in WHOLE:
            dropped(text, 1)
    return list(texts)


def apply(tokens: Tensor, view: str, statistics: Mapping[str, Any]) -> Tensor:
    """Show tokens [N, length], 0 after each text's end, in a view of the same shape.

    Halves of an odd number of tokens both have the middle one. A text of which nothing would be
    left stays whole.
    """
    if view == "identity":
        return tokens
    places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    text = tokens != 0
    count = text.sum(1, keepdim=True)
    half = (count + 1) // 2
    if view == "first-half":
        kept = places < half
    elif view == "last-half":
        kept = places >= count - half
    else:
        kept = ~dropped(view, tokens.shape[1]).to(tokens.device).expand_as(tokens)
    kept = kept & text
    kept = torch.where(kept.any(1, keepdim=True), kept, text)
    order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
    return (tokens * kept).gather(1, order)
