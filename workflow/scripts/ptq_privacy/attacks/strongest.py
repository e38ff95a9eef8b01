"""The strongest attack at hand: whichever finds most in models that stand in for the target.

What a network leaks is what its best attacker gets, and which attack that is depends on the
network, its compression and what the attacker has. He can try them all on shadow models, whose
members he knows, and take the one that does best. Who is a member of the target never enters into
the choice; where his shadow models are not like the target, its answers do (`likeness`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ptq_privacy.attacks import gives, score, stand_ins
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.attacks.likeness import likened
from ptq_privacy.study import fragments
from ptq_privacy.study.adversaries import DEFAULT

STAND_INS = 12  # of a fold that every attack is tried on


def scores(evidence: Evidence, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The scores of the attack that finds most in the stand-ins of each target's fold.

    An adversary who has several variants tries each attack on every part of his evidence that it
    can look at: (targets and pool) at their own variant, their own by the full pool, and, if he has
    the targets there, at full precision; and on all of it. What is compared is `stand_ins.worth`.
    Of a pool that he has at another variant than the targets, each target has stand-ins of its own.

    Args:
        evidence: of any membership; where too few shadow models can stand in, the first attack is
            taken.
        settings: `attacks`: settings of the others by name; `scores`: what of theirs is known of
            all the evidence. `chosen`: is told under `strongest` which score it was for each
            target, and on which part of the evidence.

    Raises:
        ValueError: no other attack.
    """
    if not settings["attacks"]:
        raise ValueError("attacks.methods: strongest needs other attacks to choose from")
    own = candidates(evidence, settings["attacks"], settings["scores"])
    names = list(own)
    choice = np.zeros(len(evidence.targets), np.int64)
    for rows, theirs in _tried_on(evidence):
        tried = own if theirs is evidence else candidates(theirs, settings["attacks"])
        member = theirs.member[list(theirs.targets)]
        choice[rows] = np.argmax([stand_ins.worth(member, tried[name]) for name in names])
    settings["chosen"]["strongest"] = [names[place] for place in choice]
    found = np.stack([own[names[place]][row] for row, place in enumerate(choice)])
    return {"strongest": found}


def _tried_on(evidence: Evidence) -> Iterator[tuple[np.ndarray, Evidence]]:
    """Which targets have the same stand-ins, and these; none where too few models can stand in."""
    if not stand_ins.can_stand_in(evidence):
        return
    for rows, theirs in stand_ins.folds(evidence, models=STAND_INS):
        if evidence.like_pool:
            yield rows, theirs
            continue
        for row in rows:
            yield np.array([row]), likened(evidence, row, theirs)


def candidates(
    evidence: Evidence,
    attacks: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """All that can be chosen from: by score and part of the evidence, [targets, samples].

    Args:
        attacks: settings by name, of attacks that do not choose themselves.
        known: scores of the whole evidence, where they have been computed.
    """
    found: dict[str, np.ndarray] = {}
    for part, seen, adversaries in _parts(evidence):
        able = {
            name: attacks[name]
            for name in attacks
            if set(fragments.get("attacks", name).more.get("adversaries", DEFAULT)) & adversaries
        }
        wanted = set().union(*map(gives, able)) if able else set()
        if seen is evidence and known is not None and wanted <= set(known):
            values = {name: known[name] for name in known if name in wanted}
        else:
            values = score(able, seen)
        found |= {f"{name}{part}": value for name, value in values.items()}
    return found


def _parts(evidence: Evidence) -> Iterator[tuple[str, Evidence, set[str]]]:
    """What to call a part of the evidence, the part, and the adversaries who have as much."""
    own, *_ = evidence.target_phi
    pool = list(evidence.pool_phi)
    if len(pool) == 1:
        yield "", evidence, set(DEFAULT)
        return
    yield ", compressed", evidence.only([own], [own]), {"adaptive"}
    yield ", full shadow models", evidence.only([own], pool[1:]), {"transfer"}
    yield ", compressed and full shadow models", evidence.only([own], pool), {"informed"}
    if len(evidence.target_phi) > 1:
        yield ", full", evidence.only(pool[1:], pool[1:]), {"adaptive"}
        yield ", both", evidence, {"both"}
