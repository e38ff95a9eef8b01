"""The pool as attacks with shadow models see it: what is given, checked, in pairs, in blocks.

Models 2k and 2k+1 are trained on complementary halves, so each pair holds exactly one in-value and
one out-value of every sample, and a target's shadow models, the pool without the target's pair,
are the pool's values with one taken away on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

SAMPLES_PER_BLOCK = 4096  # of a pool of 66 models: a block's arrays fit a core's cache


def checked(
    target_phi: ArrayLike, shadow_phi: ArrayLike, member: ArrayLike, targets: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """target_phi, shadow_phi and member as arrays, or a ValueError that names what is wrong."""
    attacked, pool = np.asarray(target_phi, np.float64), np.asarray(shadow_phi, np.float64)
    inside = np.asarray(member)
    if pool.ndim != 3 or len(pool) < 4 or len(pool) % 2 or 0 in pool.shape:
        raise ValueError(
            f"shadow_phi has shape {pool.shape}; expected [models, samples, queries] with an even "
            "number of at least 4 models"
        )
    if attacked.shape != (len(targets), *pool.shape[1:]):
        raise ValueError(
            f"target_phi has shape {attacked.shape}; expected "
            f"{(len(targets), *pool.shape[1:])}: targets, then shadow_phi's samples and queries"
        )
    if inside.dtype != np.bool_ or inside.shape != pool.shape[:2]:
        raise ValueError(
            f"member is {inside.dtype} {inside.shape}; expected bool {pool.shape[:2]}, "
            "shadow_phi's models and samples"
        )
    for target in targets:
        if not 0 <= target < len(pool):
            raise ValueError(f"targets: {target} is not a model of the pool, 0 to {len(pool) - 1}")
    for name, values in (("target_phi", attacked), ("shadow_phi", pool)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: not all values are finite")
    return attacked, pool, inside


def require_pairs(member: np.ndarray) -> None:
    """Raise ValueError unless models 2k and 2k+1 of member [models, samples] are complementary."""
    alike = member[0::2] == member[1::2]
    if alike.any():
        pair, sample = np.argwhere(alike)[0]
        raise ValueError(
            f"member: models {2 * pair} and {2 * pair + 1} agree on sample {sample}; models 2k and "
            "2k+1 must be trained on complementary halves (a pair)"
        )


def sample_blocks(samples: int) -> Iterator[slice]:
    """Slices that cover the samples in order and bound the memory of what is done to each."""
    for start in range(0, samples, SAMPLES_PER_BLOCK):
        yield slice(start, start + SAMPLES_PER_BLOCK)


def in_and_out(
    pool: np.ndarray, member: np.ndarray, block: slice, query: int
) -> tuple[np.ndarray, np.ndarray]:
    """In-values and out-values [pairs, samples of the block] of pool [models, samples, queries]."""
    first = member[0::2, block]
    even, odd = pool[0::2, block, query], pool[1::2, block, query]
    return np.where(first, even, odd), np.where(first, odd, even)


def sums_without_each(values: np.ndarray) -> np.ndarray:
    """For each row, the sum of all the others.

    Sums from both ends, since a difference from the whole would cancel where the row left out is
    an outlier.
    """
    sums = np.empty_like(values)
    before, after = np.zeros_like(values[0]), np.zeros_like(values[0])
    for row in range(len(values)):
        sums[row] = before
        before += values[row]
    for row in reversed(range(len(values))):
        sums[row] += after
        after += values[row]
    return sums
