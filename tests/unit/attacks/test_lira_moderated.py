"""Moderated LiRA against a slow transcription of its derivation, with scipy's own distributions."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from ptq_privacy.attacks import lira_moderated, metrics, sides
from tests.unit.attacks import pools


def case(models, samples, queries=1, effect=1.0, membership=pools.in_pairs, draws=1, seed=0):
    """Who is a member, phi at full precision [P, S, Q] and compressed [P, draws, S, Q]."""
    member = membership(models, samples, seed)
    phi = pools.answers(member, queries, effect, seed, location=2.0)
    return member, phi, pools.compressed(phi, draws, seed)


def scored(evidence):
    return lira_moderated.scores(evidence, {})["lira_moderated"]


def regression(columns, values):
    """Fitted values, by numpy's own solver of the normal equations."""
    terms = np.stack(columns, axis=1)
    return terms @ (np.linalg.pinv(terms) @ values)


def standard(values):
    return (values - np.mean(values)) / np.std(values)


def slow_prior(s2, d, surface):
    """Degrees of freedom and variances of the prior, the former by a root finder."""
    s2 = np.maximum(s2, max(1e-5 * np.median(s2), sides.DEVIATION_FLOOR**2))
    e = np.log(s2) - special.digamma(d / 2) + np.log(d / 2)
    trend = regression(surface, e)
    v = ((e - trend) ** 2).sum() / (len(e) - len(surface)) - special.polygamma(1, d / 2)
    if v <= 0:
        return np.inf, np.exp(trend)
    d0 = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - v, 1e-8, 1e8, xtol=1e-14)
    return d0, np.exp(trend + special.digamma(d0 / 2) - np.log(d0 / 2))


def slow_drawn(values, noise, columns):
    fitted = regression(columns, values)
    rest = max(np.mean((values - fitted) ** 2) - noise.mean(), 0)
    weight = rest / (rest + noise)
    return weight * values + (1 - weight) * fitted


def values_of(pool, member, models, sample, side, query):
    """[values, draws] of a sample's shadow models on a side."""
    return np.array([pool[m, :, sample, query] for m in models if member[m, sample] == side])


def slow_moments(pool, member, models, query):
    """Mean and variance of each sample [2, samples], of one draw's variance."""
    mean, variance = np.zeros((2, 2, pool.shape[2]))
    for k, side in enumerate((True, False)):
        for sample in range(pool.shape[2]):
            values = values_of(pool, member, models, sample, side, query)
            mean[k, sample] = values.mean()
            variance[k, sample] = values.mean(axis=1).var(ddof=1)
            if pool.shape[1] > 1:
                variance[k, sample] += values.var(axis=1).mean()  # ddof=0 is (1 - 1/n) ddof=1
    return mean, variance


def slow_ratio(phi, pool, known, member, models, query, transfer):
    """One target's score for one query [samples]."""
    count = member[models].sum(axis=0)[0]
    a, b = map(standard, slow_moments(known, member, models, query)[0])
    surface = [np.ones_like(a), a, b, a * a, b * b, a * b]
    mean, s2 = slow_moments(pool, member, models, query)
    moderated, freedom = np.empty_like(s2), []
    for k in (0, 1):
        d0, s02 = slow_prior(s2[k], count - 1, surface)
        freedom.append(d0 + count - 1)
        weight = 1.0 if np.isinf(d0) else d0 / (d0 + count - 1)
        moderated[k] = weight * s02 + (1 - weight) * s2[k]
        if pool is not known:
            mean[k] = slow_drawn(mean[k], moderated[k] / count, surface)
    level = mean.mean(axis=0)
    z = standard(level)
    curve = [z**0, z, z**2, z**3]
    effect = slow_drawn(mean[0] - mean[1], moderated.sum(axis=0) / count, curve)
    slope, middle, more = 1.0, level, np.zeros_like(level)
    if transfer:
        line = stats.linregress(level, phi)
        slope, middle = max(line.slope, 0.05), line.intercept + line.slope * level
        spread = moderated.mean(axis=0) + effect**2 / 4
        more = np.maximum(regression(curve, (phi - middle) ** 2 - slope**2 * spread), 0)
    found = 0.0
    for k, sign in ((0, 1), (1, -1)):
        scale = np.sqrt(moderated[k] * (1 + 1 / count) * slope**2 + more)
        place = middle + sign * slope * effect / 2
        density = (
            stats.norm.logpdf(phi, place, scale)
            if np.isinf(freedom[k])
            else stats.t.logpdf(phi, freedom[k], place, scale)
        )
        found = found + sign * density
    return found


def slow_scores(adversary, member, phi, compressed, targets):
    found = np.zeros((len(targets), phi.shape[1]))
    known = phi[:, None] if adversary != "adaptive" else compressed[:, :1]
    for row, target in enumerate(targets):
        models = [m for m in range(len(phi)) if m // 2 != target // 2]
        for query in range(phi.shape[2]):
            arguments = member, models, query
            full, own = phi[target, :, query], compressed[target, 0, :, query]
            if adversary in ("transfer", "adaptive"):
                ratio = slow_ratio(own, known, known, *arguments, adversary == "transfer")
            elif adversary == "informed":
                ratio = slow_ratio(own, compressed, known, *arguments, False)
            else:
                ratio = slow_ratio(full, known, known, *arguments, False)
            if adversary == "both":
                x, y = [], []
                for sample in range(phi.shape[1]):
                    for side in (True, False):
                        chosen = member[:, sample] == side
                        for pool, left in ((phi, x), (compressed[:, 0], y)):
                            values = pool[chosen, sample, query]
                            left.extend(values - values.mean())
                slope = np.dot(x, y) / np.dot(x, x)
                pool = compressed - slope * phi[:, None]
                ratio = ratio + slow_ratio(own - slope * full, pool, known, *arguments, False)
            found[row] += ratio / phi.shape[2]
    return found


ADVERSARIES = ["full", "transfer", "adaptive", "informed", "both"]


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize(("models", "queries", "draws"), [(6, 1, 1), (12, 2, 3)])
def test_every_target_is_scored_as_by_the_slow_transcription(adversary, models, queries, draws):
    known = case(models, 60, queries, draws=draws)
    targets = [models - 1, 0, 1]
    found = scored(pools.held(adversary, *known, targets))
    expected = slow_scores(adversary, *known, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_the_prior_that_made_variances_is_found_again():
    """s2 = s02 chi2(d) / d * d0 / chi2(d0), with a trend."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20000, 6))
    x[:, 0] = 1
    trend = np.exp(x @ [0.5, 0.4, -0.3, 0.0, 0.1, 0.0])
    s2 = trend * generator.chisquare(3, 20000) / 3 * 5 / generator.chisquare(5, 20000)
    d0, s02 = lira_moderated._prior(s2, np.full(20000, 3), x)
    assert d0 == pytest.approx(5, rel=0.1)
    np.testing.assert_allclose(s02, trend, rtol=0.1)
    d0, s02 = lira_moderated._prior(trend * generator.chisquare(3, 20000) / 3, np.full(20000, 3), x)
    assert d0 > 50
    np.testing.assert_allclose(s02, trend, rtol=0.1)


@pytest.mark.parametrize("value", [1e-9, 1e-3, 0.3, 1.0, 4.9, 1e4, 1e9])
def test_trigamma_is_inverted(value):
    found = lira_moderated._inverse_trigamma(value)
    assert special.polygamma(1, found) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("membership", [pools.in_pairs, pools.by_coin])
def test_models_that_learned_nothing_are_at_chance(adversary, membership):
    """AUC 0.5, and TPR at 1 % FPR (floor(n a) + 1) / (n + 1), over samples that are independent."""
    member, phi, compressed = case(8, 3000, effect=0.0, membership=membership)
    values = scored(pools.held(adversary, member, phi, compressed, range(8)))
    n = int((~member).sum(axis=1).mean())
    tpr = [metrics.tpr_at_fpr(m, v, 0.01) for m, v in zip(member, values, strict=True)]
    auc = [metrics.auc(m, v) for m, v in zip(member, values, strict=True)]
    assert np.mean(auc) == pytest.approx(0.5, abs=4 * 0.58 / np.sqrt(8 * n))
    chance = (np.floor(0.01 * n) + 1) / (n + 1)
    assert np.mean(tpr) == pytest.approx(chance, abs=4 * np.sqrt(2 * chance / (8 * n)))


def test_few_shadow_models_find_more_than_lira_finds_with_them():
    from ptq_privacy import attacks

    member, phi, compressed = case(6, 3000, effect=2.0)
    evidence = pools.held("full", member, phi, compressed, range(6))
    found = attacks.score({"lira": {}, "lira_moderated": {}}, evidence)
    tpr = {
        name: np.mean([metrics.tpr_at_fpr(m, v, 0.01) for m, v in zip(member, s, strict=True)])
        for name, s in found.items()
    }
    assert tpr["lira_moderated"] > 1.3 * max(tpr["lira_online"], tpr["lira_online_fixed"])


@pytest.mark.parametrize("membership", [pools.in_pairs, pools.by_coin])
@pytest.mark.parametrize("models", [4, 6, 9])
def test_constant_and_almost_constant_answers_are_finite_scores(membership, models):
    if membership is pools.in_pairs:
        models += models % 2
    member, phi, compressed = case(models, 50, 2, membership=membership)
    for spread in (0.0, 1e-9):
        for part in (slice(None), slice(0, 20)):
            flat = phi.copy()
            flat[:, part] = 3.25 + spread * phi[:, part]
            for adversary in ADVERSARIES:
                values = scored(pools.held(adversary, member, flat, compressed, range(models)))
                assert np.isfinite(values).all(), (spread, part, adversary)
