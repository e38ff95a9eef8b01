"""The one way in which samples are chosen: by seed, and with the classes in proportion."""

from __future__ import annotations

import numpy as np

from ptq_privacy.study.seeds import generator

TEST_FRACTION = 0.2
"""Of samples that bring no test set."""


def stratified_order(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random order of samples whose every beginning holds the classes in proportion.

    Samples are shuffled; the j-th of a class of n then goes to place (j + 1/2) / n, ties in
    shuffled order. So the first N of M samples hold N/M of each class, to within one sample or so.

    Args:
        labels: int64 [M].
        random: shuffles them.

    Returns:
        Sample numbers, int64 [M].
    """
    shuffled = random.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels[shuffled] == label)
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    return shuffled[np.argsort(place, kind="stable")]


def test_drawn(
    name: str, labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are audited and which are the test set, both in their order.

    Args:
        name: for messages.
        labels: of all samples.
        fraction: of them, for the test.

    Raises:
        ValueError: the fraction is none, or there are too few samples.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"{name}: test_fraction: {fraction} is not between 0 and 1")
    count = len(labels)
    drawn = round(fraction * count)
    if drawn < 1 or count - drawn < 2:
        raise ValueError(
            f"{name}: {count} samples are too few to draw {fraction:g} of them for the test"
        )
    order = stratified_order(labels, generator("test split", seed))
    return np.sort(order[:-drawn]), np.sort(order[-drawn:])


def audited(name: str, labels: np.ndarray, wanted: int | None, seed: int) -> np.ndarray:
    """Which training samples are audited: as many as wanted, or all, in their order.

    Raises:
        ValueError: there are not so many, or fewer than two are wanted.
    """
    if wanted is None:
        return np.arange(len(labels))
    if not 2 <= wanted <= len(labels):
        raise ValueError(
            f"data set {name!r}: audit_samples: {wanted} is not between 2 and the {len(labels)} "
            "samples that there are"
        )
    return np.sort(stratified_order(labels, generator("audit samples", seed))[:wanted])
