"""Which places of a row or a sequence the view `drop:PART/PARTS` leaves out."""

from __future__ import annotations

import re

import torch
from torch import Tensor


def dropped(view: str, places: int) -> Tensor:
    """Bool [places]: every PARTS-th place from the PART-th on, counted from 1.

    So `drop:1/4`, `drop:2/4`, `drop:3/4` and `drop:4/4` leave out each place once.

    Raises:
        ValueError: names the view if it is of another form, or PART is beyond PARTS.
    """
    match = re.fullmatch(r"drop:(\d+)/(\d+)", view)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
        raise ValueError(
            f"query {view!r}: allowed: drop:PART/PARTS, PART from 1 to PARTS and PARTS at least 2"
        )
    return torch.arange(places) % int(match[2]) == int(match[1]) - 1
