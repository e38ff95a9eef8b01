"""Stand-ins made like a target of another kind, so that what is tried on them says something of it.

An attacker whose shadow models are at full precision has none like a compressed target. But what
compression did he sees in the target's answers to all samples, without knowing one member. They go
along another line on the level that shadow models give a sample. Around it, the squared residual
grows with the square of half of what membership does to the sample, whichever side the sample is
on: how fast says what share of that is left, and what does not grow is noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.study.seeds import generator

CLASSES = 20
"""Of samples: those that scatter more in the pool get more noise from compression too."""


def likened(evidence: Evidence, target: int, theirs: Evidence) -> Evidence:
    """Stand-ins whose answers scatter as the target's do.

    With m_in and m_out the means of the stand-ins' pool, level l = (m_in + m_out) / 2 and effect
    d = (m_in - m_out) / 2, phi = a + b l + r, and E[r^2] = s^2 d^2 + v as the regression of r^2 on
    d^2 has it. A stand-in's residual is shrunk by the ratio of the target's s and the stand-ins',
    noise makes up for what the target's has beyond, by classes of samples whose answers scatter
    alike in the pool, and both go on its line. As many answers are right as the target's, those of
    the highest phi.

    Args:
        evidence: of the target, whose membership is not looked at.
        target: which of its targets.
        theirs: the stand-ins' evidence, of `stand_ins.folds`.
    """
    side = theirs.member[:, :, None]
    inside = (theirs.shadow * side).sum(0) / side.sum(0)
    outside = (theirs.shadow * ~side).sum(0) / (~side).sum(0)
    level, effect = (inside + outside) / 2, ((inside - outside) / 2) ** 2
    own = _Scatter.of(evidence.attacked[target], level, effect)
    others = [_Scatter.of(phi, level, effect) for phi in theirs.attacked]
    kept = np.mean([other.kept for other in others])
    share = np.sqrt(max(own.kept, 0) / kept) if kept > 0 else 1.0
    rest = share * np.stack([other.rest for other in others])
    spread = ((theirs.shadow - np.where(side, inside, outside)) ** 2).mean(axis=0)
    beyond = own.rest**2 - (rest**2).mean(axis=0)
    added = _by_class(beyond, spread).clip(0)
    added *= max(beyond.mean(), 0) / (added.mean() or 1.0)  # classes err, and clipping adds that up
    stream = generator("likened stand-ins", evidence.seed, evidence.targets[target])
    rest += np.sqrt(added) * stream.normal(size=rest.shape)
    phi = own.start + own.rise * level + rest
    (variant,) = theirs.target_phi
    correct = {}
    if variant in evidence.target_correct and theirs.target_correct:
        wrong = 1 - evidence.target_correct[variant][target].mean()
        limit = np.quantile(phi.reshape(len(phi), -1), wrong, axis=1)
        correct[variant] = phi > limit[:, None, None]
    return replace(theirs, target_phi={variant: phi}, target_correct=correct)


@dataclass(frozen=True)
class _Scatter:
    """A model's phi around its line on the level: a and b, r, and s^2 as above."""

    start: float
    rise: float
    rest: np.ndarray
    kept: float

    @classmethod
    def of(cls, phi: np.ndarray, level: np.ndarray, effect: np.ndarray) -> _Scatter:
        rise = _slope(level, phi)
        start = phi.mean() - rise * level.mean()
        rest = phi - start - rise * level
        return cls(start, rise, rest, _slope(effect, rest**2))


def _by_class(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Of each sample the mean over its class, of `CLASSES` equally large ones by their spread."""
    place = spread.ravel().argsort().argsort() * CLASSES // spread.size
    count = np.bincount(place, minlength=CLASSES).clip(1)
    means = np.bincount(place, values.ravel(), CLASSES) / count
    return means[place].reshape(spread.shape)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the least-squares line; 0 where x is the same throughout."""
    apart = x - x.mean()
    spread = float((apart**2).sum())
    return float((apart * y).sum()) / spread if spread else 0.0
