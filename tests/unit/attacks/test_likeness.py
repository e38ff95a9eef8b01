"""Stand-ins made like a target of another kind: what was done to it is seen in its answers."""

from dataclasses import replace

import numpy as np
import pytest

from ptq_privacy import attacks
from ptq_privacy.attacks import stand_ins, strongest
from ptq_privacy.attacks.likeness import likened
from tests.unit.attacks import pools

OTHERS = {"lira": {}, "lira_moderated": {}, "rmia": {}, "global_threshold": {}}
SAMPLES = 4000


def pool(models, effect=2.0, seed=0):
    """Members and phi [models, samples, 1]: membership does much to few samples."""
    generator = np.random.default_rng(seed)
    member = pools.in_pairs(models, SAMPLES, seed)
    place, each = generator.normal(size=SAMPLES) * 3, effect * generator.exponential(size=SAMPLES)
    noise = generator.normal(size=(models, SAMPLES))
    return member, (place + each * (member - 0.5) + noise)[..., None]


def compressed(phi, member, kept, added, seed=1):
    """Another line on the level, a share of what scatters around it, and noise."""
    inside, outside = (
        (phi * side[..., None]).sum(0) / side.sum(0)[:, None] for side in (member, ~member)
    )
    level = (inside + outside) / 2
    noise = added * np.random.default_rng(seed).normal(size=phi.shape)
    return (-0.5 + 0.8 * level + kept * (phi - level) + noise)[:, None]


def held(kept, added, targets=range(2)):
    member, phi = pool(20)
    own = compressed(phi, member, kept, added)
    return own, pools.held("transfer", member, phi, own, targets, above=(0.0, 0.5))


def effect_and_noise(phi, member):
    """What membership does on average, and what scatters within samples and sides."""
    inside, outside = (
        (phi * side[..., None]).sum(0) / side.sum(0)[:, None] for side in (member, ~member)
    )
    rest = phi - np.where(member[..., None], inside, outside)
    return float((inside - outside).mean()), float(rest.var())


@pytest.mark.parametrize(("kept", "added"), [(1.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.3, 0.7)])
def test_stand_ins_answer_as_if_they_had_been_compressed(kept, added):
    own, evidence = held(kept, added)
    (rows, theirs), *_ = stand_ins.folds(evidence)
    alike = likened(evidence, rows[0], theirs)
    chosen = list(theirs.targets)
    member, real = theirs.member[chosen], own[-len(chosen) :, 0]  # the first fold was left out
    for made, true in zip(
        effect_and_noise(next(iter(alike.target_phi.values())), member),
        effect_and_noise(real, member),
        strict=True,
    ):
        assert made == pytest.approx(true, rel=0.1, abs=0.12)
    right = next(iter(alike.target_correct.values()))
    assert right.mean() == pytest.approx((real > 0.5).mean(), abs=0.02)
    # What an attack finds in them is what it finds in networks that were compressed.
    known = {pools.COMPRESSED: real}
    right = {pools.COMPRESSED: real > 0.5}
    true = attacks.score(OTHERS, replace(theirs, target_phi=known, target_correct=right))
    for name, values in attacks.score(OTHERS, alike).items():
        found, expected = (stand_ins.worth(member, own) for own in (values, true[name]))
        assert found == pytest.approx(expected, abs=0.4), name


def test_the_choice_does_not_know_the_targets_members_nor_the_other_targets():
    _, evidence = held(0.5, 1.0, [4])
    _, all_of_them = held(0.5, 1.0, range(8))
    found = {}
    for name, seen in (("alone", evidence), ("among others", all_of_them)):
        chosen = {}
        attacks.score({**OTHERS, "strongest": {}}, seen, ["strongest"], chosen)
        found[name] = chosen["strongest"]
    assert found["alone"] == found["among others"][4:5]
    swapped = evidence.member.copy()
    swapped[[4, 5]] = swapped[[5, 4]]
    chosen = {}
    other = replace(evidence, member=swapped)
    attacks.score({**OTHERS, "strongest": {}}, other, ["strongest"], chosen)
    assert chosen["strongest"] == found["alone"]


def test_a_pool_in_which_membership_does_nothing_leaves_stand_ins_as_they_scatter():
    member, phi = pool(12, effect=0.0)
    own = compressed(phi, member, 0.7, 0.3)
    evidence = pools.held("transfer", member, phi, own, [0])
    (_, theirs), *_ = stand_ins.folds(evidence)
    alike = likened(evidence, 0, theirs)
    member = theirs.member[list(alike.targets)]
    for name, values in strongest.candidates(alike, OTHERS).items():
        inside, outside = values[member], values[~member]
        assert inside.mean() == pytest.approx(outside.mean(), abs=0.05 * outside.std() + 0.02), name
