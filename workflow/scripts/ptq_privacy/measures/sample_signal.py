"""How much higher a model's answer to a sample is for having been trained on it.

The signal of a sample is (mean in - mean out) / deviation: phi of the targets that were trained on
it, less phi of those that were not, in units of how far phi varies within either side. What is
*caught* saturates: a sample far above the threshold stays caught when its signal is halved, and one
below it is lost. So a quantization that takes the same share of every sample's signal takes more of
the exposure of weak samples than of strong ones, and only the signal says that it took alike.

A pair of targets gives one difference a sample. Its deviation is that of all other pairs: with its
own in it, those pairs in which the difference is large by chance would have the small deviations.
With few pairs a sample's own deviation is mostly noise, so it is moderated by the mean over samples
(as variances are by Smyth 2004), as if that had been seen in `PRIOR` more values.
"""

from __future__ import annotations

import numpy as np

from ptq_privacy.attacks.sides import in_and_out

PRIOR = 4
LEAST_PAIRS = 3


def of_pairs(phi: np.ndarray, member: np.ndarray) -> np.ndarray | None:
    """Each pair's signal of each sample, float32 [pairs, samples]; its mean is the sample's signal.

    Args:
        phi: float64 [targets, samples, queries]; a last target without its partner is left out.
        member: bool [targets, samples], of complementary pairs.

    Returns:
        None with fewer than `LEAST_PAIRS` pairs, which show no deviation.
    """
    pairs = len(phi) // 2
    if pairs < LEAST_PAIRS:
        return None
    answers = phi[: 2 * pairs].mean(axis=2)
    answers = answers - answers.mean(axis=0)
    inside, outside = in_and_out(answers, member[: 2 * pairs])
    left, squares = pairs - 1, np.zeros_like(inside)
    for side in (inside, outside):
        mean = (side.sum(axis=0) - side) / left  # of the other pairs
        squares += np.maximum((side**2).sum(axis=0) - side**2 - left * mean**2, 0)
    degrees = 2 * (left - 1)
    variance = (squares + PRIOR * squares.mean(axis=1, keepdims=True) / degrees) / (degrees + PRIOR)
    with np.errstate(invalid="ignore", divide="ignore"):
        signal = (inside - outside) / np.sqrt(variance)
    return np.where(variance > 0, signal, 0).astype(np.float32)
