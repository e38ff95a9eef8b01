"""The bootstrap that all intervals share: targets and, crossed with them, samples.

In a replicate one draw of samples serves all targets, since targets share their samples, and
whatever makes a sample easy to catch, with each other. What is drawn depends on the seed, the
number of targets and who is a member of which, never on scores: so two variants or adversaries
of the same targets can be compared replicate by replicate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ptq_privacy.study.seeds import generator

LEVEL = (2.5, 97.5)  # percentiles that bound a 95% interval


def sample_weights(
    member: np.ndarray, seed: int, replicates: int, chunk: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (replicates, how often each draws each sample: float64 [of them, samples]).

    Args:
        member: bool [targets, samples]; a draw that leaves a target without members or without
            non-members is drawn again.
        chunk: replicates at a time.

    Raises:
        ValueError: a target without members or without non-members.
    """
    if member.all(axis=1).any() or not member.any(axis=1).all():
        raise ValueError("member: each target needs at least one member and one non-member")
    drawn = generator("resampled samples", seed)
    members = member.astype(np.float32)
    for start in range(0, replicates, chunk):
        stop = min(start + chunk, replicates)
        yield (
            slice(start, stop),
            np.stack([_weights(drawn, members) for _ in range(start, stop)]),
        )


def target_draws(targets: int, seed: int, replicates: int) -> np.ndarray:
    """The targets, 0..targets-1, that each replicate draws: int [replicates, targets]."""
    return generator("resampled targets", seed).integers(targets, size=(replicates, targets))


def mean_over(draws: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Means over the drawn targets of what each target measured [replicates, targets]."""
    return np.take_along_axis(each, draws, axis=1).mean(axis=1)


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The 95% percentile interval of a bootstrap distribution; NaN where a replicate is.

    Its ends lie between two replicates, or are the outer of the two where some are infinite.
    """
    outer = np.isinf(replicates).any()
    methods = ("lower", "higher") if outer else ("linear", "linear")
    low, high = (
        float(np.percentile(replicates, percent, method=method))  # type: ignore[call-overload]
        for percent, method in zip(LEVEL, methods, strict=True)
    )
    return low, high


def p_value(differences: np.ndarray) -> float:
    """Two-sided p of a difference being zero, from its bootstrap distribution [replicates].

    Twice the share of replicates on the rarer side of zero, one more counted on each side, so that
    it is never below 2 / (replicates + 1). NaN where a replicate is.
    """
    if np.isnan(differences).any():
        return float("nan")
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(differences) + 1)))


def _weights(stream: np.random.Generator, members: np.ndarray) -> np.ndarray:
    samples = members.shape[1]
    while True:
        drawn = stream.integers(samples, size=samples)
        weight = np.bincount(drawn, minlength=samples)
        inside = members @ weight.astype(np.float32)  # whole numbers, exact below 2^24
        if (inside > 0).all() and (inside < samples).all():
            return weight.astype(np.float64)
