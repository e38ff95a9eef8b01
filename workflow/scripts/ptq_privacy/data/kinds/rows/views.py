"""Views of a row that the attacks query: the same for every model, so nothing in them is random.

A row with some of its features set to their means says what a model makes of the others; where the
model has learned the row by heart, the others are enough for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ptq_privacy.data.kinds.parts import dropped


def parse_all(texts: Sequence[str]) -> list[str]:
    """Check a list of views, `identity` or `drop:PART/PARTS`.

    Raises:
        ValueError: names the text that is wrong.
    """
    for text in texts:
        if text != "identity":
            dropped(text, 1)
    return list(texts)


def apply(rows: Tensor, view: str, statistics: Mapping[str, Any]) -> Tensor:
    """Show rows [N, features] in a view: the features that it drops are at their means."""
    if view == "identity":
        return rows
    mean = torch.as_tensor(statistics["mean"], dtype=rows.dtype, device=rows.device)
    return torch.where(dropped(view, rows.shape[1]).to(rows.device), mean, rows)
