"""Which of its members a model is quantized with: the calibration samples."""

from __future__ import annotations

import numpy as np


def calibration_set(members: np.ndarray, samples: int, seed: int, model: int) -> np.ndarray:
    """Sample numbers, ascending, that calibrate a model: drawn from its own members alone.

    Args:
        members: bool [M], what the model was trained on.

    Raises:
        ValueError: the model has fewer members than samples are asked for.
    """
    own = np.flatnonzero(members)
    if samples > len(own):
        raise ValueError(
            f"quantization.calibration_samples: {samples} is more than the {len(own)} members "
            f"of model {model}"
        )
    generator = np.random.default_rng((seed, model, 1))  # (seed, k) drew the members of pair k
    return np.sort(generator.choice(own, samples, replace=False))
