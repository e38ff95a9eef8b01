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
    """The share of samples by score, and the ratios' mean logarithm, which orders equal shares.

    Shadow models: all but the target's pair; or by side, target and sample those of `kept`.
    """

    def probability(phi):
        return 1 / (1 + math.exp(-phi))

    samples, queries = target_phi.shape[1:]
    found = {attack: np.zeros((2, *target_phi.shape[:2])) for attack in SCORES}
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
                    found[attack][0, row, x] += np.mean(above) / queries
                    found[attack][1, row, x] += math.log(ratio[x]) / queries
    return found


def assert_ordered(found, expected):
    """Scores are the shares, and less than one sample's share more; in the order of both."""
    for attack, (share, ratio) in expected.items():
        score, samples = found[attack], share.shape[1]
        assert (score > share - 1e-12).all(), attack
        np.testing.assert_array_less(score, share + 1 / (samples - 1), err_msg=attack)
        for own, by, then in zip(score, share.round(9), ratio.round(12), strict=True):
            _, place = np.unique(np.stack([by, then], 1), axis=0, return_inverse=True)
            _, order = np.unique(own, return_inverse=True)
            np.testing.assert_array_equal(order, place.ravel(), err_msg=attack)


@pytest.mark.parametrize(("gamma", "a"), [(2.0, 0.3), (1.1, 0.0), (0.7, 1.0)])
@pytest.mark.parametrize(("models", "queries"), [(4, 1), (8, 2)])
def test_every_pair_of_samples_is_compared(models, queries, gamma, a):
    phi, member = pool(models, 40, queries)
    targets = [models - 1, 0, 1]
    attacked = phi[targets] - 0.5  # transfer
    found = scored(attacked, phi, member, targets, gamma, a)
    expected = slow_scores(attacked, phi, member, targets, gamma, a)
    assert list(found) == list(SCORES)
    assert_ordered(found, expected)


@pytest.mark.parametrize("queries", [1, 2])
def test_in_a_pool_without_pairs_every_pair_of_samples_is_compared(queries):
    member = pools.by_coin(7, 40)
    phi = pools.answers(member, queries, location=1)
    kept = pools.kept(pools.evidence(phi, member, [6, 0, 1]))
    found = scored(phi[[6, 0, 1]], phi, member, [6, 0, 1], 1.5, 0.4)
    expected = slow_scores(phi[[6, 0, 1]], phi, member, [6, 0, 1], 1.5, 0.4, kept)
    assert_ordered(found, expected)


def test_at_gamma_one_equal_samples_count_but_a_sample_is_not_its_own_rival():
    phi, member = np.zeros((4, 5, 1)), np.tile([[True], [False]], (2, 5))
    found = scored(phi, phi, member, range(4), gamma=1.0)
    assert all((values == 1).all() for values in found.values())
    found = scored(phi, phi, member, range(4), gamma=1.0 + 1e-9)
    assert all((values == 0).all() for values in found.values())


def test_equal_shares_are_ordered_by_the_ratio_and_only_equal_ratios_tie():
    """Of confident models all ratios lie within a factor of two: the shares alone are all 0."""
    phi, member = pool(6, 3000)
    phi = 12 + phi
    phi[:, 1::50] = phi[:, :1]  # 60 copies of one sample
    member[:, 1::50] = member[:, :1]
    for gamma in (2.0, 1.0, "tuned"):
        for attack, values in scored(phi, phi, member, range(6), gamma).items():
            for own in values:
                assert len(np.unique(own)) == 3000 - 60, (attack, gamma)
                assert len(np.unique(own[1::50])) == 1
    found = scored(phi[[0]], phi, member, [0], gamma=2.0)["rmia_online"][0]
    p = np.array([(1 / (1 + np.exp(-phi[2:, s, 0]))).mean() for s in range(3000)])
    ratio = 1 / (1 + np.exp(-phi[0, :, 0])) / p
    assert ratio.max() < 2 * ratio.min()
    assert stats.spearmanr(found, ratio).statistic > 0.999


def test_tuned_settings_do_best_on_stand_ins_and_nothing_of_the_target_enters():
    """Here models that were trained on a sample are certain of it: then the right `a` is 0."""
    phi, member = pool(12, 2000)
    phi[member] = 40.0 + np.random.default_rng(1).normal(size=phi[member].shape)
    phi[~member] *= 3
    tuned = scored(phi[[4]], phi, member, [4], a="tuned")
    assert not np.array_equal(
        tuned["rmia_offline"], scored(phi[[4]], phi, member, [4])["rmia_offline"]
    )
    each = {a: scored(phi[[4]], phi, member, [4], a=a)["rmia_offline"] for a in rmia.AS}
    chosen = [a for a, values in each.items() if np.array_equal(values, tuned["rmia_offline"])]
    assert len(chosen) == 1
    auc = {a: metrics.auc(member[4], values[0]) for a, values in each.items()}
    assert auc[chosen[0]] > max(auc.values()) - 0.01
    other = phi.copy()
    other[4:6] = np.random.default_rng(9).normal(size=phi[4:6].shape) * 50
    again = scored(phi[[4]], other, member, [4], a="tuned")
    np.testing.assert_array_equal(again["rmia_offline"], tuned["rmia_offline"])


def test_where_nothing_can_stand_in_the_papers_settings_are_taken():
    phi, member = pool(4, 50, 2)
    tuned = scored(phi, phi, member, range(4), "tuned", "tuned")
    for attack, values in scored(phi, phi, member, range(4)).items():
        np.testing.assert_array_equal(tuned[attack], values)


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
        assert found[attack][0] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 0.8], abs=0.2 - 1e-6)
        assert (np.diff(found[attack][0]) >= 0).all()


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
