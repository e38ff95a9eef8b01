"""How what a network leaks goes with its size: trends over networks that are alike but for it.

Networks on one data set share their targets' members and the resampled samples. So a trend is taken
target by target, as the slope of a straight line through what the networks leak there, against the
logarithm of their numbers of parameters, before `intervals` says how sure its mean is. Where the
leak rises and falls again the slope tells which of the two outweighs, and the figure the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ptq_privacy.measures.intervals import Resampled, estimate

LEAK, TREND, TREND_OF_DROP = "leak", "trend", "trend_of_drop"


@dataclass(frozen=True)
class Sized:
    """One variant of one network to one adversary.

    parameters: of the network; all of them, weights, biases and normalisations.
    """

    parameters: int
    leak: Resampled


def slope(networks: Sequence[Sized]) -> Resampled | None:
    """What each target leaks more for ten times as many parameters; None where all are of one size.

    The least-squares line of each target, as measured and on resampled samples.
    """
    place = np.log10([one.parameters for one in networks])
    apart = place - place.mean()
    if not apart.any():
        return None
    factors = apart / (apart**2).sum()
    parts = [one.leak.scaled(factor) for one, factor in zip(networks, factors, strict=True)]
    return reduce(Resampled.plus, parts)


def trends(
    full: Sequence[Sized], variants: Mapping[tuple[str, str], Sequence[Sized]]
) -> list[dict[str, object]]:
    """The trend of each variant's leak, and of what it leaks less than full precision.

    Args:
        full: the networks at full precision.
        variants: the same networks, in the same order, by variant and adversary; `full` too.

    Returns:
        Rows `kind` (`trend`, `trend_of_drop`), `variant`, `adversary`, `estimate` (for ten times as
        many parameters), `low`, `high`, `p_value`; none where all networks are of one size.
    """
    rows = []
    for (variant, adversary), own in variants.items():
        drops = [
            Sized(one.parameters, one.leak.minus(two.leak))
            for one, two in zip(full, own, strict=True)
        ]
        for kind, networks in ((TREND, own), (TREND_OF_DROP, drops)):
            found = slope(networks)
            if found is not None and (kind == TREND or variant != "full"):
                known = {"kind": kind, "variant": variant, "adversary": adversary}
                rows.append({**known, **estimate(found)._asdict()})
                rows[-1]["estimate"] = rows[-1].pop("value")
    return rows
