"""What a network for images must be told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BYTES = 1
"""Of one number of a sample as stored."""


def sizes(inputs: Sequence[int], statistics: Mapping[str, Any]) -> dict[str, int]:
    """Keywords of a factory for images of shape [channels, height, width]."""
    return {"channels": inputs[0]}
