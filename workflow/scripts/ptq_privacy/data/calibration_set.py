"""Which of its members calibrate a model's compression."""

from __future__ import annotations

import numpy as np

from ptq_privacy.study.seeds import generator


def calibration_set(
    members: np.ndarray, samples: int, seed: int, model: int, draw: int = 0
) -> np.ndarray:
    """Sample numbers, ascending, that calibrate a model: drawn from its own members alone.

    Args:
        members: bool [M], what the model was trained on.
        draw: which of several compressions by one recipe, each with samples of its own.

    Raises:
        ValueError: the model has fewer members than samples are asked for.
    """
    own = np.flatnonzero(members)
    if samples > len(own):
        raise ValueError(
            f"compression.calibration_samples: {samples} is more than the {len(own)} members "
            f"of model {model}"
        )
    stream = generator("calibration set", seed, model, draw)
    return np.sort(stream.choice(own, samples, replace=False))
