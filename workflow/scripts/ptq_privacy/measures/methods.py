"""Method against method, on the same targets: at equal bits, and at equal accuracy.

Two methods at the same bits need not be as accurate, and a network that forgot half of what it knew
leaks less however it came to that. So a method is also followed from full precision down its bit
widths: what it leaks is interpolated at a loss of accuracy that both methods reach. Means over
targets place the loss between two bit widths; each target's own accuracies enter by how they move
that place, to first order, so that the interval holds their spread too.

Over several networks of a study a difference is that of target t averaged over the networks, for
every t. Networks on one data set share samples and members, which this keeps together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, pairwise

import numpy as np

from ptq_privacy.measures.intervals import UNKNOWN, Resampled, estimate
from ptq_privacy.study.variants import Variant

LOST = (0.01, 0.02, 0.05)
"""Accuracy lost against full precision, at which methods are compared."""

NOT_REACHED = "a method's variants do not reach this loss of accuracy"


@dataclass(frozen=True)
class Measured:
    """One variant of one network to one adversary: a metric, and the test accuracy."""

    leak: Resampled
    accuracy: np.ndarray  # float64 [T]


def differences(
    networks: Mapping[str, Mapping[Variant, Measured]],
) -> list[dict[str, object]]:
    """Every pair of methods, network by network and, of several, over all that know it.

    Args:
        networks: by name the variants of each, full precision among them, under one adversary and
            attack.

    Returns:
        Rows `network` (`all` over all), `method` less `other`, `at` (`4 bits`, `1.58 bits, head 8`,
        `1 % accuracy lost`), `estimate`, `low`, `high`, `p_value` and `note` (why an estimate is
        NaN).
    """
    found: dict[tuple[str, str, str], dict[str, Resampled | None]] = {}
    for network, variants in networks.items():
        places = {**_at_bits(variants), **_at_accuracy(variants)}
        for at, by_method in places.items():
            for method, other in combinations(by_method, 2):
                one, two = by_method[method], by_method[other]
                own = one.minus(two) if one is not None and two is not None else None
                found.setdefault((method, other, at), {})[network] = own
    rows = []
    for (method, other, at), by_network in found.items():
        known = [own for own in by_network.values() if own is not None]
        if len(networks) > 1:
            mean = reduce(Resampled.plus, known).scaled(1 / len(known)) if known else None
            by_network["all"] = mean if len(known) == len(networks) else None
        for network, own in by_network.items():
            value = UNKNOWN if own is None else estimate(own)
            rows.append(
                {
                    "network": network,
                    "method": method,
                    "other": other,
                    "at": at,
                    "estimate": value.value,
                    "low": value.low,
                    "high": value.high,
                    "p_value": value.p_value,
                    "note": NOT_REACHED if own is None else "",
                }
            )
    return rows


def _at_bits(variants: Mapping[Variant, Measured]) -> dict[str, dict[str, Resampled | None]]:
    """By place and method, where a variant of it is."""
    found: dict[str, dict[str, Resampled | None]] = {}
    for variant, measured in variants.items():
        if variant.method:
            found.setdefault(variant.widths, {})[variant.method] = measured.leak
    return found


def _at_accuracy(variants: Mapping[Variant, Measured]) -> dict[str, dict[str, Resampled | None]]:
    """By place and method, what the method leaks there; None where it does not come so far."""
    full = next(own for variant, own in variants.items() if not variant.method)
    curves: dict[str, list[tuple[float, Measured]]] = {}
    for variant, own in variants.items():
        if variant.method and variant.bits is not None and variant.plain:
            curves.setdefault(variant.method, []).append((variant.bits, own))
    return {
        f"{100 * lost:g} % accuracy lost": {
            method: at_loss(full, [own for _, own in sorted(points, key=lambda p: -p[0])], lost)
            for method, points in curves.items()
        }
        for lost in LOST
    }


def at_loss(full: Measured, points: Sequence[Measured], lost: float) -> Resampled | None:
    """What a method leaks where it has lost so much accuracy; None where it does not come so far.

    Args:
        points: its variants from many bits to few. Where accuracy rises and falls again, the first
            place counts.
    """
    for upper, lower in pairwise([full, *points]):
        above, below = (full.accuracy - own.accuracy for own in (upper, lower))
        if above.mean() <= lost <= below.mean() and above.mean() < below.mean():
            width = below.mean() - above.mean()
            share = (lost - above.mean()) / width
            leak = upper.leak.scaled(1 - share).plus(lower.leak.scaled(share))
            # How the place moves with the accuracies of each target, times the slope there.
            apart = (1 - share) * above + share * below - lost
            moved = (upper.leak.mean - lower.leak.mean) / width * apart
            return leak.plus(Resampled(moved, np.broadcast_to(moved, leak.drawn.shape)))
    return None
