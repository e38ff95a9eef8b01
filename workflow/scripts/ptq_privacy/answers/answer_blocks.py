"""One model's answers to one query about every sample: whole, or as much as attacks need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LogitBlock:
    """One model's answers to one query about every sample of the audit pool, in sample order."""

    model: int
    query: int
    label: np.ndarray  # int16 [S]
    member: np.ndarray  # bool [S]: whether the model was trained on the sample
    logits: np.ndarray  # float32 [S, C]


@dataclass(frozen=True)
class CompactBlock:
    """A LogitBlock of which only the attacks' number and correctness are kept."""

    model: int
    query: int
    label: np.ndarray  # int16 [S]
    member: np.ndarray  # bool [S]
    phi: np.ndarray  # float64 [S]: logit-scaled confidence in the label
    correct: np.ndarray  # bool [S]: whether the label's logit is the largest


Block = LogitBlock | CompactBlock
