"""Label-only against a slow transcription, at chance, and on rates of right answers that are known.

Planted answers are coins: what the best attacker reaches is then a sum over outcomes.
"""

from math import lgamma

import numpy as np
import pytest
from scipy import stats

from ptq_privacy.attacks import label_only, metrics
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools


def given(correct, member, targets=None):
    """Evidence of right answers [models, samples, queries] alone: phi is the same for all."""
    targets = list(range(len(member)) if targets is None else targets)
    blank = np.zeros(correct.shape)
    return Evidence(
        targets=tuple(targets),
        member=member,
        target_phi={"own": blank[targets]},
        pool_phi={"own": blank[:, None]},
        target_correct={"own": correct[targets]},
        pool_correct={"own": correct[:, None]},
    )


def coins(member, inside, outside, views=1, together=0.0, seed=0):
    """Right answers at rates [samples] of members and others; a share of a model's views alike."""
    generator = np.random.default_rng((seed, 3))
    rate = np.where(member, inside, outside)[..., None]
    shape = (*member.shape, views)
    alike = generator.random(shape) < together
    place = np.where(alike, generator.random((*member.shape, 1)), generator.random(shape))
    return place < rate


def scored(evidence):
    return label_only.scores(evidence, {})["label_only"]


def auc(member, values):
    return np.mean([metrics.auc(m, v) for m, v in zip(member, values, strict=True)])


def log_beta(a, b):
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def slow_scores(correct, member, target):
    """One target's scores, sample by sample, from its shadow models' counts."""
    views, samples = correct.shape[2], correct.shape[1]
    counts = [[[], []] for _ in range(samples)]  # [sample][out, in]
    for model in range(len(member)):
        if model // 2 != target // 2:
            for sample in range(samples):
                counts[sample][int(member[model, sample])].append(int(correct[model, sample].sum()))
    if len(counts[0][0]) > 1:
        between, independent = 0.0, 0.0
        for own in (side for sample in counts for side in sample):
            between += np.var(own, ddof=1)
            pairs = [(x, y) for i, x in enumerate(own) for j, y in enumerate(own) if i != j]
            both = np.mean([x * y for x, y in pairs]) / views**2
            independent += views * (np.mean(own) / views - both)
        inflation = min(max(between / independent, 1), views)
    else:
        inflation = views
    priors = []
    for side in (0, 1):
        trials = len(counts[0][side]) * views / inflation
        known = [sum(sample[side]) / inflation for sample in counts]
        mean = (sum(known) + 0.5) / (samples * trials + 1)
        scatter = np.mean([(k / trials - mean) ** 2 for k in known]) / (mean * (1 - mean))
        strength = 1.0
        if trials > 1:
            share = (scatter - 1 / trials) / (1 - 1 / trials)
            strength = min(max(1 / share - 1, 0.01), 1e4) if share > 0 else 1e4
        priors.append((strength * mean, strength * (1 - mean)))
    found = np.zeros(samples)
    for sample in range(samples):
        yes = correct[target, sample].sum() / inflation
        no = views / inflation - yes
        for side, sign in ((1, 1), (0, -1)):
            all_right = sum(counts[sample][side]) / inflation
            a = priors[side][0] + all_right
            b = priors[side][1] + len(counts[sample][side]) * views / inflation - all_right
            found[sample] += sign * (log_beta(a + yes, b + no) - log_beta(a, b))
    return found


@pytest.mark.parametrize("models", [4, 6, 12])
@pytest.mark.parametrize(("views", "together"), [(1, 0), (3, 0), (3, 0.7)])
def test_every_target_is_scored_as_by_the_slow_transcription(models, views, together):
    member = pools.in_pairs(models, 60)
    generator = np.random.default_rng(1)
    outside = generator.beta(1, 1, 60)
    correct = coins(member, (1 + outside) / 2, outside, views, together)
    targets = [models - 1, 0, 1]
    found = scored(given(correct, member, targets))
    for row, target in enumerate(targets):
        expected = slow_scores(correct, member, target)
        np.testing.assert_allclose(found[row], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("membership", [pools.in_pairs, pools.by_coin])
@pytest.mark.parametrize("views", [1, 4])
def test_models_that_learned_nothing_are_at_chance(membership, views):
    member = membership(8, 3000)
    rate = np.random.default_rng(1).beta(1, 1, 3000)
    values = scored(given(coins(member, rate, rate, views, 0.5), member))
    assert auc(member, values) == pytest.approx(0.5, abs=4 * 0.58 / np.sqrt(8 * 1500))


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("hard", [0.0, 0.5, 1.0])
def test_planted_rates_are_found_as_well_as_can_be(views, hard):
    """Members are right at 0.9; others at 0.9 too, or of a share of hard samples at 0.2."""
    member = pools.in_pairs(42, 2000)
    outside = np.where(np.arange(2000) < hard * 2000, 0.2, 0.9)
    found = auc(member, scored(given(coins(member, 0.9, outside, views), member)))
    assert found == pytest.approx(best_auc(0.9, [(hard, 0.2), (1 - hard, 0.9)], views), abs=0.01)


def best_auc(inside, outside, views):
    """Of one who knows the rates: over outcomes, by their likelihood ratios."""
    count = np.arange(views + 1)
    of_in = np.concatenate([share * stats.binom.pmf(count, views, inside) for share, _ in outside])
    of_out = np.concatenate(
        [share * stats.binom.pmf(count, views, rate) for share, rate in outside]
    )
    known = of_in + of_out > 0
    share = of_in[known] / (of_in + of_out)[known]  # ascends with the likelihood ratio
    above = np.where(np.isclose(share[:, None], share), 0.5, share[:, None] > share)
    return of_in[known] @ above @ of_out[known]


def test_a_gap_for_each_sample_finds_more_than_one_for_all():
    member = pools.in_pairs(18, 2000)
    outside = np.where(np.arange(2000) < 1000, 0.1, 0.9)
    correct = coins(member, 0.9, outside)
    gap = auc(member, correct[:, :, 0].astype(float))
    assert auc(member, scored(given(correct, member))) > gap + 0.05


@pytest.mark.parametrize("strength", [0.5, 4.0, 40.0])
@pytest.mark.parametrize("models", [2, 8])
def test_the_prior_that_made_rates_is_found_again(strength, models):
    generator = np.random.default_rng(0)
    rate = generator.beta(0.7 * strength, 0.3 * strength, 50000)
    a, b = label_only._prior(generator.binomial(models, rate) * 1.0, np.full(50000, models * 1.0))
    assert a / (a + b) == pytest.approx(0.7, abs=0.01)
    assert a + b == pytest.approx(strength, rel=0.25 if models == 2 and strength > 10 else 0.1)


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
def test_views_that_go_together_count_as_fewer(together):
    """Two views are alike at the share's square, so n have (1 + (n - 1) share^2) the variance."""
    member = pools.in_pairs(8, 4000)
    rate = np.random.default_rng(0).beta(2, 2, 4000)
    evidence = given(coins(member, rate, rate, 5, together), member, [0])
    shadow = evidence.pool_correct["own"][:, 0].sum(axis=2, dtype=np.float64)
    count, total, variance = label_only._moments(evidence, shadow)
    found = label_only._inflation(count[:, 0], total[:, 0], variance[:, 0], 5)
    assert found == pytest.approx(1 + 4 * together**2, rel=0.03)


@pytest.mark.parametrize("membership", [pools.in_pairs, pools.by_coin])
@pytest.mark.parametrize("models", [4, 6, 9])
@pytest.mark.parametrize("views", [1, 3])
def test_answers_that_are_all_alike_are_finite_scores(membership, models, views):
    models += models % 2 if membership is pools.in_pairs else 0
    member = membership(models, 50)
    for inside in (0.0, 1.0):
        for outside in (0.0, 1.0):
            correct = coins(member, inside, outside, views)
            values = scored(given(correct, member))
            assert np.isfinite(values).all(), (inside, outside)
            if inside != outside and models > 4:
                assert auc(member, values) == 1
    odd = np.ones((models, 50, views), bool)
    odd[0, 0] = False  # a single answer that no shadow model gives
    assert np.isfinite(scored(given(odd, member))).all()


def test_equal_counts_are_equal_scores_to_the_bit():
    """Samples of the same counts tie, whatever the order of the models that make them."""
    member = pools.in_pairs(16, 1000)
    correct = coins(member, 0.9, 0.6, 2, 0.3)
    values = scored(given(correct, member, [3]))[0]
    others = np.array([m for m in range(16) if m not in (2, 3)])
    counts = correct.sum(axis=2)
    sums = [(counts * side)[others].sum(axis=0) for side in (member, ~member)]
    known = np.stack([*sums, counts[3]], axis=1)
    assert len(np.unique(values)) <= len(np.unique(known, axis=0)) < 400
    for place in np.unique(known, axis=0):
        assert len(set(values[(known == place).all(axis=1)])) == 1
    assert metrics.ties(values) > 0.5


def test_confidences_and_the_targets_own_pair_change_nothing():
    member = pools.in_pairs(8, 200)
    correct = coins(member, 0.9, 0.5, 2)
    before = scored(given(correct, member, [3]))
    turned = given(correct, member, [3])
    turned.pool_correct["own"][2:4] = ~turned.pool_correct["own"][2:4]
    turned.pool_phi["own"][:] = np.random.default_rng(0).normal(size=turned.pool_phi["own"].shape)
    np.testing.assert_array_equal(scored(turned), before)


def test_evidence_without_correctness_is_refused():
    member = pools.in_pairs(6, 20)
    phi = pools.answers(member)
    with pytest.raises(ValueError, match="label_only needs target_correct and pool_correct"):
        scored(Evidence.of(phi, phi, member, range(6)))
