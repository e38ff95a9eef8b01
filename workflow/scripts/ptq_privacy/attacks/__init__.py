"""Membership inference from recorded answers, one file an attack.

An attack is a function from evidence and its settings to scores, float64 [T, samples] each, higher
= more likely a member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.study import fragments


def gives(attack: str) -> set[str]:
    """The names of an attack's scores."""
    return set(fragments.get("attacks", attack).more["scores"])


def chooses(attack: str) -> bool:
    """Whether an attack chooses among the others."""
    return bool(fragments.get("attacks", attack).more.get("chooses", False))


def score(
    attacks: Mapping[str, Mapping[str, Any]],
    evidence: Evidence,
    wanted: Iterable[str] | None = None,
    chosen: dict[str, list[str]] | None = None,
) -> dict[str, np.ndarray]:
    """What attacks say of every sample of every target.

    Args:
        attacks: settings by name, in the order of the scores; defaults stand for what is left out.
        evidence: what they may look at.
        wanted: names of scores; all that the attacks give if None.
        chosen: is told, by score, which other one stands behind it for each target, of attacks
            that choose among the others.

    Returns:
        By score, float64 [T, samples].

    Raises:
        ValueError: an attack or a setting is unknown, or a wanted score is none of theirs.
    """
    found: dict[str, np.ndarray] = {}
    # Those that choose among the others come last, so that nothing is done twice.
    for name in sorted(attacks, key=lambda name: chooses(name)):
        fragment = fragments.get("attacks", name)
        if wanted is None or gives(name) & set(wanted):
            own = fragment.settings(attacks[name])
            if chooses(name):
                others = {other: attacks[other] for other in attacks if not chooses(other)}
                own |= {"attacks": others, "scores": found}
                own["chosen"] = {} if chosen is None else chosen
            found |= fragment.find()(evidence, own)
    absent = sorted(set(wanted or ()) - set(found))
    if absent:
        raise ValueError(f"score {absent[0]!r} is none of {', '.join(found) or 'the attacks'}")
    if wanted is not None:
        return {name: found[name] for name in wanted}
    # No score of two attacks has the same name.
    return {name: found[name] for attack in attacks for name in found if name in gives(attack)}
