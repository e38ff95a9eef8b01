"""What a network for tokens must be told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BYTES = 4
"""Of one number of a sample as stored."""


def sizes(inputs: Sequence[int], statistics: Mapping[str, Any]) -> dict[str, int]:
    """Keywords of a factory for sequences of shape [length]."""
    return {"vocabulary": int(statistics["vocabulary"][0]), "length": inputs[0]}
