"""What differential privacy cannot hold: a lower bound on epsilon, from attacks on the targets.

The bound is on the procedure as audited, training and compression together. It is the one-run audit
of Steinke, Nasr and Jagielski (2023, "Privacy auditing with one (1) training run", theorem 5.2),
with one change. Their theorem asks for a fair coin a sample; our targets are trained on exactly
half of the samples, so that the last coins follow from the others. Here an auditor who knows the
members matches each with a random non-member and tells the attacker the pairs, not which of the two
is the member. Given the pairs, every orientation is as likely as any other: one fair coin a pair,
and a neighbouring data set is one in which a pair is turned, a sample *replaced* by another. Where
neighbours add or remove one sample, epsilon is at least half of what holds for replacing.

For each pair the attacker's guess is the sample with the higher score; he guesses where the two
scores differ most, which takes no threshold and no membership. If (epsilon, delta) held, of r
guesses about m pairs at least v would be right with a probability of at most

    f(v) + 2 m delta max_i (f(v - i) - f(v)) / i,
    f(v) = Pr[Binomial(r, 1 / (1 + e^-epsilon)) >= v].

However the samples of one model depend on each other, this holds; the targets, which are each
other's shadow models, are another matter. So each has a bound of its own, and what at least half of
them reach is the bound that counts: by Markov's inequality, if each is wrong with probability p,
half of them are with at most 2 p, whatever their dependence. How many guesses to make is tried out
in powers of two, and the error shared by all these choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ptq_privacy.study.seeds import generator

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
DELTA = 1e-5
FEWEST_GUESSES = 16
STEPS = 24  # of bisection: epsilon to 1e-6 of itself


def audit(
    targets: tuple[int, ...],
    member: np.ndarray,
    scores: Mapping[str, np.ndarray],
    seed: int,
    delta: float = DELTA,
) -> pd.DataFrame:
    """A lower bound on epsilon from each attack's scores.

    Args:
        targets: model numbers.
        member: bool [targets, samples], each row as likely as any other with as many members.
        scores: by attack, [targets, samples].
        seed: of the pairs, which are the same for all attacks and variants.

    Returns:
        One row an attack: columns `attack`, `epsilon_lower` (with 95% confidence no epsilon below
        it holds, at this delta; 0 where nothing can be said), `delta`, `targets`, `pairs` (of
        samples, of the target with the fewest) and `guesses` (the median number that the targets'
        bounds are from).

    Raises:
        ValueError: a target without members or without non-members.
    """
    import pandas as pd

    if member.all(axis=1).any() or not member.any(axis=1).all():
        raise ValueError("member: each target needs at least one member and one non-member")
    pairs = [matched(*target, seed) for target in zip(targets, member, strict=True)]
    enough = -(-len(targets) // 2)
    error = (1 - CONFIDENCE) * enough / len(targets)
    rows = []
    for attack, values in scores.items():
        found = [
            bound(differences(own, *pair), delta, error)
            for own, pair in zip(values, pairs, strict=True)
        ]
        reached = sorted((epsilon for epsilon, _ in found), reverse=True)
        rows.append(
            {
                "attack": attack,
                "epsilon_lower": reached[enough - 1],
                "delta": delta,
                "targets": len(targets),
                "pairs": min(len(inside) for inside, _ in pairs),
                "guesses": float(np.median([guesses for _, guesses in found])),
            }
        )
    return pd.DataFrame(rows)


def matched(target: int, member: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Members and non-members in random pairs: sample numbers, int [pairs] each.

    What is left over on the larger side is in no pair.
    """
    drawn = generator("matched samples", seed, target)
    sides = [drawn.permutation(np.flatnonzero(side)) for side in (member, ~member)]
    pairs = min(map(len, sides))
    return sides[0][:pairs], sides[1][:pairs]


def differences(score: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """By how much each pair's member scores higher; 0 where both are infinite."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(score[inside] - score[outside], nan=0.0, posinf=np.inf, neginf=-np.inf)


def bound(higher: np.ndarray, delta: float, error: float) -> tuple[float, int]:
    """One target's bound, and the number of guesses that it is from (0 where it is 0).

    Args:
        higher: of each pair, the member's score less the non-member's. A tie is a wrong guess.
        error: how often it may be above the true epsilon.
    """
    pairs = len(higher)
    right = np.cumsum((higher > 0)[np.argsort(-np.abs(higher), kind="stable")])
    choices = [2**k for k in range(pairs.bit_length()) if FEWEST_GUESSES <= 2**k < pairs] + [pairs]
    each = error / len(choices)
    return max((_inverted(int(right[r - 1]), r, pairs, delta, each), r) for r in choices)


def p_value(right: int, guesses: int, pairs: int, epsilon: float, delta: float) -> float:
    """The theorem: how likely as many right guesses are at most, if (epsilon, delta) holds."""
    mass = _mass(guesses, epsilon)
    tail = mass[right:].sum()
    # f(v - i) - f(v) is the mass from v - i to v - 1.
    steps = np.cumsum(mass[:right][::-1]) / np.arange(1, right + 1)
    return float(min(1.0, tail + 2 * pairs * delta * steps.max(initial=0.0)))


@lru_cache(maxsize=2**16)
def _inverted(right: int, guesses: int, pairs: int, delta: float, error: float) -> float:
    """The epsilon up to which so many right guesses are too many; 0 if there is none."""
    if 2 * right <= guesses:
        return 0.0
    # Without delta the tail is a beta distribution's, and the bound its quantile.
    accuracy = float(special.betaincinv(right, guesses - right + 1, error))
    low, high = 0.0, max(0.0, math.log(accuracy / (1 - accuracy)))
    if not high or p_value(right, guesses, pairs, 0.0, delta) > error:
        return 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if p_value(right, guesses, pairs, middle, delta) <= error:
            low = middle
        else:
            high = middle
    return low


def _mass(guesses: int, epsilon: float) -> np.ndarray:
    """Of Binomial(guesses, 1 / (1 + e^-epsilon)): float64 [guesses + 1]."""
    wrong = np.arange(guesses, -1, -1)
    return np.exp(_log_ways(guesses) - epsilon * wrong - guesses * np.log1p(np.exp(-epsilon)))


@lru_cache(maxsize=32)
def _log_ways(guesses: int) -> np.ndarray:
    each = special.gammaln(np.arange(1, guesses + 2))
    return each[-1] - each - each[::-1]
