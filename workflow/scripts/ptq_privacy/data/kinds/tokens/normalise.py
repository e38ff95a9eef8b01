"""Tokens are not normalised: a network gets their numbers, as float32 like all its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def statistics(tokens: np.ndarray, details: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """`vocabulary`: how many tokens the recorded tokenizer knows, padding among them."""
    return {"vocabulary": (float(len(details["tokenizer"]["model"]["vocab"])),)}


def apply(tokens: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
    """Tokens [N, length] of any integer type as float32, which holds their numbers exactly."""
    return tokens.float()
