"""How sure a mean over targets is: the one rule behind every interval and every p-value.

What was measured varies with which models are the targets and with which samples there are. The
spread between targets shows the first, and of the second what each target has for itself; but
targets share their samples, and whatever makes a sample easy to catch moves all of them together,
which their spread cannot show. So the samples are resampled, for all targets at once, and how the
targets move together is added. Of T targets with values v_t, and v_t^b on resampled samples,

    variance of the mean = var_t(v_t) / T + max(0, mean over pairs t != u of cov_b(v_t^b, v_u^b))

which is targets + samples - both, each counted once (Cameron, Gelbach and Miller 2011, "Robust
inference with multiway clustering"). Its first part has T - 1 degrees of freedom, its second as
many as there are pairs of targets, the whole what Welch and Satterthwaite make of them; interval
and p-value are those of Student's t, so they never contradict each other. A difference is taken
target by target before, so what both sides share drops out. `benchmarks/coverage.py` shows how
often the intervals hold the truth and what the tests find.

A single target tells nothing of others: its interval is over samples alone. None covers training
the whole pool again beyond what that changes sample by sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from ptq_privacy.study.seeds import generator

REPLICATES = 100
"""Resamplings. Only covariances are read off them, to a seventh or so; no percentiles."""

TAIL = 0.025
"""Of the probability, beyond either end of an interval."""

NOTHING = 1e-24
"""A variance that rounding leaves of none."""


class Estimate(NamedTuple):
    """A value with its 95% interval, and the two-sided p-value of its being zero."""

    value: float
    low: float
    high: float
    p_value: float


UNKNOWN = Estimate(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Resampled:
    """A number of each target, as measured and on resampled samples.

    A target here is whatever is independent of its like but for the samples: a pair of models, say.
    """

    each: np.ndarray  # float64 [T]
    drawn: np.ndarray  # float64 [replicates, T], rows by `sample_weights`

    @property
    def mean(self) -> float:
        return float(self.each.mean())

    def minus(self, other: Resampled) -> Resampled:
        """The difference, target by target."""
        return Resampled(self.each - other.each, self.drawn - other.drawn)

    def plus(self, other: Resampled) -> Resampled:
        """The sum, target by target."""
        return self.minus(other.scaled(-1))

    def scaled(self, factor: float, offset: float = 0) -> Resampled:
        """Times a number, and more by another."""
        return Resampled(factor * self.each + offset, factor * self.drawn + offset)

    def over(self, other: Resampled) -> Resampled:
        """The ratio r of the means: numbers whose mean is r and which vary as r does.

        A target's is r + (own - r * other) / mean of the other, the ratio's first-order expansion,
        which asks for a mean that is surely not zero.

        Raises:
            ValueError: the other's mean is zero.
        """
        if other.mean == 0:
            raise ValueError("a ratio to a mean of zero is undefined")
        ratio = self.mean / other.mean
        return self.minus(other.scaled(ratio)).scaled(1 / other.mean, ratio)


def sample_weights(classes: np.ndarray, seed: int) -> np.ndarray:
    """How often each replicate draws each sample: int32 [REPLICATES, samples].

    What is drawn depends on the seed, the samples and the classes, never on scores: so whatever is
    measured of the same targets goes by the same draws, and differences can be taken.

    Args:
        classes: bool [any, samples], such as the members of each target; a draw that leaves one of
            them, or its complement, without a sample is drawn again.

    Raises:
        ValueError: a class that holds no sample, or all.
    """
    if classes.all(axis=1).any() or not classes.any(axis=1).all():
        raise ValueError("member: each target needs at least one member and one non-member")
    stream, inside = generator("resampled samples", seed), classes.astype(np.float32)
    return np.stack([_weights(stream, inside) for _ in range(REPLICATES)])


def _weights(stream: np.random.Generator, classes: np.ndarray) -> np.ndarray:
    samples = classes.shape[1]
    while True:
        drawn = stream.integers(samples, size=samples)
        weight = np.bincount(drawn, minlength=samples).astype(np.int32)
        inside = classes @ weight.astype(np.float32)  # whole numbers, exact below 2^24
        if (inside > 0).all() and (inside < samples).all():
            return weight


def estimate(resampled: Resampled) -> Estimate:
    """The mean over targets, how sure it is, and whether it may be zero; NaN where a number is."""
    if np.isnan(resampled.each).any() or np.isnan(resampled.drawn).any():
        return UNKNOWN
    value = resampled.mean
    variance, degrees = _variance(resampled)
    if variance <= NOTHING:
        return Estimate(value, value, value, float(value**2 <= NOTHING))
    error = np.sqrt(variance)
    half = error * special.stdtrit(degrees, 1 - TAIL)
    p_value = 2 * special.stdtr(degrees, -abs(value) / error)
    return Estimate(value, float(value - half), float(value + half), float(p_value))


def rate(resampled: Resampled, trials: int, limit: float = 0.0) -> Estimate:
    """`estimate` of a share of samples; of none at all, or of all, by Clopper and Pearson (1934).

    Where no target has a single case nothing varies, and yet the share need not be zero. Samples
    are taken as independent; a target that is unlike the others may be missed.

    Args:
        trials: different samples that were looked at. Targets share samples, so each counts once.
        limit: the p-value is of the share's being this.
    """
    if not (resampled.each.any() or resampled.drawn.any()):
        high = 1 - (TAIL ** (1 / trials))
        return Estimate(0.0, 0.0, high, min(1.0, 2 * (1 - limit) ** trials))
    if (resampled.each == 1).all() and (resampled.drawn == 1).all():
        return Estimate(1.0, TAIL ** (1 / trials), 1.0, min(1.0, 2 * limit**trials))
    found = estimate(resampled)
    return found._replace(p_value=estimate(resampled.scaled(1, -limit)).p_value)


def _variance(resampled: Resampled) -> tuple[float, float]:
    """Of the mean over targets, and its degrees of freedom."""
    targets, replicates = len(resampled.each), len(resampled.drawn)
    apart = resampled.drawn - resampled.drawn.mean(axis=0)
    samples = float((apart.mean(axis=1) ** 2).sum() / (replicates - 1))
    if targets == 1:
        return samples, replicates - 1
    both = float((apart**2).sum() / (replicates - 1)) / targets**2
    spread = float(resampled.each.var(ddof=1)) / targets
    together = max(0.0, (samples - both) * targets / (targets - 1))
    variance = spread + together
    if variance <= NOTHING:  # rates of few samples can be equal by chance
        return samples, targets - 1
    pairs = targets * (targets - 1) / 2
    degrees = variance**2 / (spread**2 / (targets - 1) + together**2 / pairs)
    return variance, degrees
