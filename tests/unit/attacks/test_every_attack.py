"""What every attack must do, whichever there are: each fragment is put through the same checks."""

import numpy as np
import pytest
from scipy import stats

from ptq_privacy import attacks
from ptq_privacy.attacks import metrics
from ptq_privacy.study import fragments
from ptq_privacy.study.adversaries import DEFAULT
from tests.unit.attacks import pools

NAMES = fragments.names("attacks")
# What one that chooses among the others chooses from.
OTHERS = {"lira": {}, "lira_moderated": {}}
MEMBERSHIPS = {
    "pairs": lambda samples: pools.in_pairs(6, samples),
    "many pairs": lambda samples: pools.in_pairs(14, samples),
    "by coin": lambda samples: pools.by_coin(7, samples),
    "many by coin": lambda samples: pools.by_coin(13, samples),
}

every_attack = pytest.mark.parametrize("name", NAMES)


def memberships(name):
    """One that chooses among the others runs them again and again: small pools show enough."""
    chooses = fragments.get("attacks", name).more.get("chooses")
    return [each for each in MEMBERSHIPS if not (chooses and each.startswith("many"))]


def under(name):
    """The adversaries under which an attack runs."""
    return fragments.get("attacks", name).more.get("adversaries", DEFAULT)


every_attack_and_membership = pytest.mark.parametrize(
    ("name", "membership"), [(name, each) for name in NAMES for each in memberships(name)]
)
every_attack_and_adversary = pytest.mark.parametrize(
    ("name", "adversary"), [(name, adversary) for name in NAMES for adversary in under(name)]
)
several_queries = pytest.mark.parametrize("queries", [1, 3])


def case(membership, samples, queries=1, effect=1.0, targets=None, location=1.0):
    """Who is a member of which target, and the evidence."""
    member = MEMBERSHIPS[membership](samples)
    targets = range(len(member)) if targets is None else targets
    phi = pools.answers(member, queries, effect, location=location)
    return member[list(targets)], pools.evidence(phi, member, targets)


def held(adversary, samples, effect):
    """Who is a member of which target, and what an adversary has where variants differ."""
    member = MEMBERSHIPS["pairs"](samples)
    phi = pools.answers(member, effect=effect, location=1.0)
    return member, pools.held(adversary, member, phi, pools.compressed(phi), range(len(member)))


def options(name):
    """Each key of an attack with each of the schemas that a value may pass."""
    for key, part in fragments.get("attacks", name).properties.items():
        yield from ((key, option) for option in part.get("anyOf", [part]))


def scored(name, evidence, settings=None):
    """What an attack gives."""
    wanted = list(fragments.get("attacks", name).more["scores"])
    others = OTHERS if fragments.get("attacks", name).more.get("chooses") else {}
    return attacks.score({**others, name: settings or {}}, evidence, wanted)


def accepted(name):
    """Settings that an attack must take: its defaults, and each key at the ends of its range."""
    yield {}
    for key, part in options(name):
        ends = [part[end] for end in ("minimum", "maximum") if end in part]
        ends += part.get("enum", [])
        ends += [False, True] if part.get("type") == "boolean" else []
        assert ends, f"{name}.{key} has no range"
        default = fragments.get("attacks", name).defaults[key]
        yield from ({key: value} for value in ends if value != default)


def refused(name):
    """Values out of range by key, made of the key's range."""
    for key, part in options(name):
        yield key, "a text that is none of them"
        yield key, None
        if "minimum" in part:
            yield key, part["minimum"] - 1
        if "maximum" in part:
            yield key, part["maximum"] + 1
        if "exclusiveMinimum" in part:
            yield key, part["exclusiveMinimum"]
        if "exclusiveMaximum" in part:
            yield key, part["exclusiveMaximum"]
        if part.get("type") == "integer":
            yield key, part["minimum"] + 0.5


ACCEPTED = [(name, settings) for name in NAMES for settings in accepted(name)]
every_accepted_setting = pytest.mark.parametrize(
    ("name", "settings", "membership"),
    [(*each, membership) for each in ACCEPTED for membership in memberships(each[0])],
)
REFUSED = [(name, *setting) for name in NAMES for setting in refused(name)]


def arrays(evidence):
    of_variants = ("target_phi", "pool_phi", "target_correct", "pool_correct")
    return [evidence.member, *(a for name in of_variants for a in getattr(evidence, name).values())]


@every_accepted_setting
@several_queries
def test_scores_are_finite_numbers_by_the_names_that_the_fragment_says(
    name, settings, membership, queries
):
    _, evidence = case(membership, 50, queries, targets=[5, 0, 2])
    found = scored(name, evidence, settings)
    assert list(found) == list(fragments.get("attacks", name).more["scores"])
    for score, values in found.items():
        assert values.shape == (3, 50), score
        assert values.dtype == np.float64, score
        assert np.isfinite(values).all(), score


@every_attack_and_membership
@several_queries
def test_the_same_evidence_gives_the_same_bits_and_stays_as_it_is(name, membership, queries):
    _, evidence = case(membership, 50, queries)
    before = [array.copy() for array in arrays(evidence)]
    for array in arrays(evidence):
        array.setflags(write=False)
    found = scored(name, evidence)
    for array, copy in zip(arrays(evidence), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    again = scored(name, case(membership, 50, queries)[1])
    for score, values in found.items():
        assert values.tobytes() == again[score].tobytes(), score


@every_attack_and_membership
@several_queries
def test_the_order_and_the_number_of_targets_change_nothing(name, membership, queries):
    _, evidence = case(membership, 50, queries)
    found = scored(name, evidence)
    some = [5, 0, 2, 1]
    again = scored(name, case(membership, 50, queries, targets=some)[1])
    for score, values in found.items():
        np.testing.assert_allclose(again[score], values[some], rtol=1e-12, atol=1e-12)


def assert_gives_nothing_away(member, found):
    """AUC of 0.5 for each target, by the exact error of ranks; and for all targets together.

    Targets share shadow models, so together the measure is of each sample: how much more of the
    others it outscores in targets that were trained on it than in targets that were not. Samples
    are independent, and their spread gives the error.
    """
    for score, values in found.items():
        for inside, own in zip(member, values, strict=True):
            members, others = inside.sum(), (~inside).sum()
            error = np.sqrt((members + others + 1) / (12 * members * others))
            assert abs(metrics.auc(inside, own) - 0.5) < 4.5 * error, score
        below = stats.rankdata(values, axis=1) / values.shape[1]
        known = member.any(axis=0) & ~member.all(axis=0)
        inside, below = member[:, known], below[:, known]
        gain = (below * inside).sum(axis=0) / inside.sum(axis=0)
        gain -= (below * ~inside).sum(axis=0) / (~inside).sum(axis=0)
        assert abs(gain.mean()) <= 4 * gain.std() / np.sqrt(len(gain)), score


@every_accepted_setting
@several_queries
def test_models_that_learned_nothing_give_nothing_away(name, settings, membership, queries):
    member, evidence = case(membership, 1500, queries, effect=0.0)
    assert_gives_nothing_away(member, scored(name, evidence, settings))


@every_attack_and_adversary
def test_under_every_adversary_who_learned_nothing_gives_nothing_away(name, adversary):
    member, evidence = held(adversary, 1500, effect=0.0)
    assert_gives_nothing_away(member, scored(name, evidence))


def mean_auc(member, values):
    return np.mean([metrics.auc(*target) for target in zip(member, values, strict=True)])


@every_attack_and_membership
@several_queries
def test_models_that_memorize_are_found_out(name, membership, queries):
    member, evidence = case(membership, 600, queries, effect=3.0)
    for score, values in scored(name, evidence).items():
        assert mean_auc(member, values) > 0.7, score


@every_attack_and_adversary
def test_under_every_adversary_who_memorizes_is_found_out(name, adversary):
    member, evidence = held(adversary, 600, effect=3.0)
    for score, values in scored(name, evidence).items():
        assert mean_auc(member, values) > 0.65, score


@pytest.mark.parametrize(("name", "key", "value"), REFUSED)
def test_a_setting_out_of_range_is_named(name, key, value):
    _, evidence = case("pairs", 5)
    with pytest.raises(ValueError, match=rf"{name}\.{key}: .* is not allowed; allowed: "):
        scored(name, evidence, {key: value})


@every_attack
def test_an_unknown_setting_is_named(name):
    _, evidence = case("pairs", 5)
    with pytest.raises(ValueError, match=f"{name}: unknown setting 'none_of_them'; allowed: "):
        scored(name, evidence, {"none_of_them": 1})


def test_an_unknown_attack_is_named():
    _, evidence = case("pairs", 5)
    with pytest.raises(ValueError, match="'none_of_them'; allowed: .*" + NAMES[0]):
        attacks.score({"none_of_them": {}}, evidence)


def test_several_attacks_give_what_each_gives_alone():
    _, evidence = case("pairs", 50)
    order = [a for a in NAMES[::-1] if not fragments.get("attacks", a).more.get("chooses")]
    found = attacks.score({name: {} for name in order}, evidence)
    alone = {name: scored(name, evidence) for name in order}
    assert list(found) == [score for scores in alone.values() for score in scores]
    for scores in alone.values():
        for score, values in scores.items():
            np.testing.assert_array_equal(found[score], values)


def test_wanted_scores_alone_are_given_in_their_order():
    _, evidence = case("pairs", 50)
    every = {name: {} for name in NAMES}
    wanted = [*attacks.score(every, evidence)][::-2]
    assert list(attacks.score(every, evidence, wanted)) == wanted
    with pytest.raises(ValueError, match="score 'none_of_them' is none of "):
        attacks.score(every, evidence, ["none_of_them"])
    with pytest.raises(ValueError, match=f"score '{wanted[0]}' is none of the attacks"):
        attacks.score({}, evidence, wanted[:1])
