"""What sequences of tokens must be to be audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ptq_privacy.data.kinds.tokens.normalise import statistics


def check(what: str, tokens: np.ndarray, details: Mapping[str, Any]) -> None:
    """Refuse an array that holds no tokens int32 [N, length] of the vocabulary, padded at the end.

    Raises:
        ValueError: begins with `what`, and says what is allowed.
    """
    if tokens.dtype != np.int32:
        raise ValueError(f"{what} are {tokens.dtype}; allowed: int32")
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise ValueError(
            f"{what} have shape {tokens.shape}; allowed: [samples, length], none of them 0"
        )
    (vocabulary,) = statistics(tokens, details)["vocabulary"]
    if tokens.min() < 0 or tokens.max() >= vocabulary:
        raise ValueError(
            f"{what}: tokens {tokens.min()} to {tokens.max()}; allowed: 0 to less "
            f"than the vocabulary's {vocabulary:.0f}"
        )
    empty = np.flatnonzero(tokens[:, 0] == 0)
    if len(empty):
        raise ValueError(f"{what}: sample {empty[0]} begins with padding; a text has a token")
    inside = np.argwhere((tokens[:, :-1] == 0) & (tokens[:, 1:] != 0))
    if len(inside):
        raise ValueError(f"{what}: sample {inside[0][0]} has padding between tokens")
    if len(np.unique(tokens[tokens > 0])) < 2:
        raise ValueError(f"{what}: all texts are of one and the same token; at least 2 are needed")


def check_statistics(what: str, statistics: dict[str, tuple[float, ...]]) -> None:
    """Nothing beyond `check`: tokens have no scale."""
