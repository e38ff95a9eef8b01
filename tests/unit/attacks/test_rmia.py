"""RMIA against every pair of samples compared one by one, written from the paper's equations."""

import math

import numpy as np
import pytest
from scipy import stats

from ptq_privacy.attacks import metrics, rmia, sides
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools

SCORES = ("rmia_online", "rmia_offline")


def pool(models, samples, queries=1, effect=1.0, seed=0):
    generator = np.random.default_rng(seed)
    member = np.empty((models, samples), dtype=bool)
    member[0::2] = generator.random((models // 2, samples)) < 0.5
    member[1::2] = ~member[0::2]
    location = generator.normal(size=(samples, 1)) * 3
    phi = location + generator.normal(size=(models, samples, queries)) + effect * member[..., None]
    return phi, member


def scored(target_phi, shadow_phi, member, targets, gamma=2.0, a=0.3):
    found = Evidence.of(target_phi, shadow_phi, member, targets)
    return rmia.scores(found, {"gamma": gamma, "a": a})


def slow_scores(target_phi, shadow_phi, member, targets, gamma, a, kept=None):
    """Shadow models: all but the target's pair; or by side, target and sample those of `kept`."""

    def probability(phi):
        return 1 / (1 + math.exp(-phi))

    samples, queries = target_phi.shape[1:]
    found = {attack: np.zeros(target_phi.shape[:2]) for attack in SCORES}
    for row, target in enumerate(targets):
        shadows = [m for m in range(len(shadow_phi)) if m // 2 != target // 2]
        for query in range(queries):
            ratios = {attack: [] for attack in SCORES}
            for x in range(samples):
                own = sorted(kept[0][row][x] | kept[1][row][x]) if kept else shadows
                p = [probability(shadow_phi[m, x, query]) for m in own]
                trained = [member[m, x] for m in own]
                p_in = np.mean([v for v, t in zip(p, trained, strict=True) if t])
                p_out = np.mean([v for v, t in zip(p, trained, strict=True) if not t])
                p_target = probability(target_phi[row, x, query])
                ratios["rmia_online"].append(p_target / (0.5 * (p_in + p_out)))
                ratios["rmia_offline"].append(p_target / (0.5 * ((1 + a) * p_out + (1 - a))))
            for attack, ratio in ratios.items():
                for x in range(samples):
                    above = [ratio[x] / ratio[z] >= gamma for z in range(samples) if z != x]
                    found[attack][row, x] += np.mean(above) / queries
    return found


@pytest.mark.parametrize(("gamma", "a"), [(2.0, 0.3), (1.1, 0.0), (0.7, 1.0)])
@pytest.mark.parametrize(("models", "queries"), [(4, 1), (8, 2)])
def test_every_pair_of_samples_is_compared(models, queries, gamma, a):
    phi, member = pool(models, 40, queries)
    targets = [models - 1, 0, 1]
    attacked = phi[targets] - 0.5  # transfer
    found = scored(attacked, phi, member, targets, gamma, a)
    expected = slow_scores(attacked, phi, member, targets, gamma, a)
    assert list(found) == list(SCORES)
    for attack in SCORES:
        np.testing.assert_allclose(found[attack], expected[attack], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("queries", [1, 2])
def test_in_a_pool_without_pairs_every_pair_of_samples_is_compared(queries):
    member = pools.by_coin(7, 40)
    phi = pools.answers(member, queries, location=1)
    kept = pools.kept(pools.evidence(phi, member, [6, 0, 1]))
    found = scored(phi[[6, 0, 1]], phi, member, [6, 0, 1], 1.5, 0.4)
    expected = slow_scores(phi[[6, 0, 1]], phi, member, [6, 0, 1], 1.5, 0.4, kept)
    for attack in SCORES:
        np.testing.assert_allclose(found[attack], expected[attack], rtol=1e-12, atol=1e-12)


def test_at_gamma_one_equal_samples_count_but_a_sample_is_not_its_own_rival():
    phi, member = np.zeros((4, 5, 1)), np.tile([[True], [False]], (2, 5))
    found = scored(phi, phi, member, range(4), gamma=1.0)
    assert all((values == 1).all() for values in found.values())
    found = scored(phi, phi, member, range(4), gamma=1.0 + 1e-9)
    assert all((values == 0).all() for values in found.values())


def test_blocks_of_samples_change_nothing(monkeypatch):
    phi, member = pool(8, 50, 2)
    whole = scored(phi, phi, member, range(8))
    monkeypatch.setattr(sides, "SAMPLES_PER_BLOCK", 7)
    for attack, values in scored(phi, phi, member, range(8)).items():
        np.testing.assert_array_equal(values, whole[attack])


def test_extreme_confidences_keep_their_order():
    """Beyond |phi| = 745 p itself is 0 or 1, but its logarithm still tells samples apart."""
    samples = 6
    member = np.tile([[True], [False]], (2, samples))
    shadow = np.full((4, samples, 1), -900.0)
    target = np.array([-900.0, -800.0, -750.0, 0.0, 800.0, 900.0])[None, :, None]
    found = scored(target, shadow, member, [0], gamma=1.5)
    for attack in SCORES:
        assert found[attack][0] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 0.8])


def test_models_that_learned_nothing_give_nothing_away():
    phi, member = pool(32, 2000, effect=0.0)
    for attack, values in scored(phi, phi, member, range(32)).items():
        share_above = 1 - stats.rankdata(values, axis=1) / values.shape[1]
        for measure in (share_above < 0.01, share_above < 0.1, -share_above):
            inside = (measure * member).sum(axis=0) / member.sum(axis=0)
            outside = (measure * ~member).sum(axis=0) / (~member).sum(axis=0)
            gain = inside - outside  # a sample each: independent of one another
            assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(len(gain)), attack


def test_models_that_memorize_are_caught():
    phi, member = pool(8, 3000, effect=3.0)
    found = scored(phi, phi, member, range(8))
    for values in found.values():
        each = [metrics.auc(m, v) for m, v in zip(member, values, strict=True)]
        assert np.mean(each) > 0.8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": math.inf}, "gamma"),
        ({"gamma": math.nan}, "gamma"),
        ({"a": -0.1}, "a: -0.1 is not between"),
        ({"a": 1.1}, "a: 1.1 is not between"),
        ({"member": np.ones((4, 3), dtype=bool)}, "member: sample 0 is in all or none"),
        ({"targets": [4]}, "targets: 4"),
    ],
)
def test_bad_input_is_named(wrong, message):
    phi, member = pool(4, 3)
    given = {"target_phi": phi[[0]], "shadow_phi": phi, "member": member, "targets": [0], **wrong}
    with pytest.raises(ValueError, match=message):
        scored(**given)


def test_one_sample_has_none_to_be_compared_with():
    phi, member = pool(4, 1)
    with pytest.raises(ValueError, match="only one"):
        scored(phi, phi, member, range(4))
