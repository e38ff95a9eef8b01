"""Each target's shadow models in two sides, trained on a sample and not, for all targets at once.

Leaving a target out of its own shadow models is done here and nowhere else. In a pool of pairs its
whole pair is left out. Each pair holds exactly one in-value and one out-value of every sample, so
what is left is balanced and independent of the target; and all targets' medians and moments follow
from one sort of the pool and its sums, with one value removed. In any other pool the target alone
is left out, and a sample keeps as many values on one side as on the other, dropped at random:
unequal numbers would tell who is a member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.study.seeds import generator

SAMPLES_PER_BLOCK = 4096  # of a pool of 66 models: a block's arrays fit a core's cache

# Logits are float32: around 10 they are 1e-6 apart, so no smaller deviation means anything.
DEVIATION_FLOOR = 1e-6


def sample_blocks(samples: int) -> Iterator[slice]:
    """Slices that cover the samples in order and bound the memory of what is done to each."""
    for start in range(0, samples, SAMPLES_PER_BLOCK):
        yield slice(start, start + SAMPLES_PER_BLOCK)


def rows(evidence: Evidence) -> np.ndarray:
    """Each target's row in what `fits` and `means` yield, int [T]; a pair's models share it."""
    if not evidence.paired:
        return np.arange(len(evidence.targets))
    return np.unique(np.asarray(evidence.targets) // 2, return_inverse=True)[1]


@dataclass(frozen=True)
class Fit:
    """Median and spread of each sample's values on one side: float64 [rows, samples].

    count: of the values; one number where all samples have as many.
    mean, square: of the residuals around the median, and of their squares.
    """

    count: int | np.ndarray
    median: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        return deviation(self.mean, self.square)


def deviation(mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The standard deviation, at least `DEVIATION_FLOOR`, from a mean and a mean square."""
    return np.sqrt(np.maximum(square - mean**2, DEVIATION_FLOOR**2))


def fits(
    evidence: Evidence, pool: np.ndarray | None = None
) -> Iterator[tuple[slice, int, tuple[Fit, Fit]]]:
    """Yield (samples, query, (fit of the in-values, of the out-values)) block by block.

    Args:
        pool: [models, samples, queries], in place of the evidence's `shadow`.
    """
    pairs = np.unique(np.asarray(evidence.targets) // 2)
    for block, query, sides in _sides(evidence, evidence.shadow if pool is None else pool):
        if evidence.paired:
            inside, outside = sides
            yield block, query, (_without(inside, pairs), _without(outside, pairs))
        else:
            inside, outside = sides
            yield block, query, (_fit(inside), _fit(outside))


def means(
    evidence: Evidence,
    of: Callable[[np.ndarray], np.ndarray],
    pool: np.ndarray | None = None,
) -> Iterator[tuple[slice, int, tuple[np.ndarray, np.ndarray]]]:
    """Yield (samples, query, (means of a function of the in-values, of the out-values)).

    Args:
        pool: as of `fits`.
    """
    pairs = np.unique(np.asarray(evidence.targets) // 2)
    left = len(evidence.member) // 2 - 1
    own = evidence.shadow if pool is None else pool
    for block, query, (inside, outside) in _sides(evidence, own):
        if evidence.paired:
            both = (sums_without_each(of(values))[pairs] / left for values in (inside, outside))
        else:
            both = (np.nanmean(of(values), axis=1) for values in (inside, outside))
        yield block, query, (next(both), next(both))


def _sides(
    evidence: Evidence, pool: np.ndarray
) -> Iterator[tuple[slice, int, tuple[np.ndarray, np.ndarray]]]:
    """In- and out-values: of pairs [all pairs, samples], else [targets, values, samples] with NaN
    where a sample has fewer."""
    member = evidence.member
    drawn = {t: generator("balanced sides", evidence.seed, t) for t in set(evidence.targets)}
    for block in sample_blocks(pool.shape[1]):
        if not evidence.paired:
            kept = [_balanced(evidence, t, block, drawn[t]) for t in evidence.targets]
        for query in range(pool.shape[2]):
            values = pool[:, block, query]
            if evidence.paired:
                yield block, query, in_and_out(values, member[:, block])
            else:
                yield block, query, (_taken(values, kept, 0), _taken(values, kept, 1))


def in_and_out(values: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In-values and out-values [pairs, samples] of a pool of pairs' values [models, samples]."""
    first = member[0::2]
    even, odd = values[0::2], values[1::2]
    return np.where(first, even, odd), np.where(first, odd, even)


def _balanced(
    evidence: Evidence, target: int, block: slice, drawn: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Model numbers of a target's in- and out-values, [values, samples] each, -1 for none."""
    others = evidence.others(target)
    inside = evidence.member[others, block]
    count = np.minimum(inside.sum(axis=0), (~inside).sum(axis=0))
    if not count.all():
        sample = int(np.flatnonzero(count == 0)[0]) + block.start
        raise ValueError(
            f"member: sample {sample} is in all or none of the shadow models of model {target}"
        )
    place = drawn.random(inside.shape[::-1]).T  # sample by sample, in blocks of any size alike
    found = []
    for chosen in (inside, ~inside):
        order = np.argsort(np.where(chosen, place, 2.0), axis=0)[: count.max()]
        found.append(np.where(np.arange(len(order))[:, None] < count, others[order], -1))
    return found[0], found[1]


def _taken(values: np.ndarray, kept: list[tuple[np.ndarray, np.ndarray]], side: int) -> np.ndarray:
    longest = max(len(sides[side]) for sides in kept)
    found = np.full((len(kept), longest, values.shape[1]), np.nan)
    for row, sides in enumerate(kept):
        numbers = sides[side]
        own = np.take_along_axis(values, np.maximum(numbers, 0), axis=0)
        found[row, : len(numbers)] = np.where(numbers < 0, np.nan, own)
    return found


def _fit(values: np.ndarray) -> Fit:
    """Of values [rows, values, samples] with NaN for none."""
    median = np.nanmedian(values, axis=1)
    residual = values - median[:, None]
    return Fit(
        count=(~np.isnan(values)).sum(axis=1),
        median=median,
        mean=np.nanmean(residual, axis=1),
        square=np.nanmean(residual**2, axis=1),
    )


def _without(values: np.ndarray, pairs: np.ndarray) -> Fit:
    """Fit what is left of values [all pairs, samples] once without each of `pairs`.

    Of the two or three sorted values in the middle, the removed one is the removed value itself,
    or, where that lies outside, the nearest: the value clipped to their range. The median is the
    mean of the others.
    """
    left = len(values) - 1
    ordered = np.sort(values, axis=0)
    centre = ordered[left // 2]
    low = ordered[(left - 1) // 2] - centre
    high = ordered[left // 2 + 1] - centre
    centred = values - centre
    total, square = sums_without_each(centred)[pairs], sums_without_each(centred**2)[pairs]
    shift = low + high - np.clip(centred[pairs], low, high)
    if left % 2 == 0:
        shift /= 2
    square -= shift * (2 * total - left * shift)
    total -= left * shift
    return Fit(left, median=shift + centre, mean=total / left, square=square / left)


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
