"""The one way in which samples are chosen: by seed, and with the classes in proportion."""

from __future__ import annotations

import numpy as np


def stratified_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random order of samples whose every beginning holds the classes in proportion.

    Samples are shuffled; the j-th of a class of n then goes to place (j + 1/2) / n, ties in
    shuffled order. So the first N of M samples hold N/M of each class, to within one sample or so.

    Args:
        labels: int64 [M].
        generator: shuffles them.

    Returns:
        Sample numbers, int64 [M].
    """
    shuffled = generator.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels[shuffled] == label)
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    return shuffled[np.argsort(place, kind="stable")]
