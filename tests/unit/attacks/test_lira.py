"""LiRA against a slow loop over targets, samples and queries, written from the paper's equations,
and against a transcription of what the public implementations compute."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ptq_privacy.attacks import lira, sides
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools


def pool(models, samples, queries, seed=0, effect=1.0):
    member = pools.in_pairs(models, samples, seed)
    return pools.answers(member, queries, effect, seed), member


def scored(target_phi, shadow_phi, member, targets, reference=False):
    found = Evidence.of(target_phi, shadow_phi, member, targets)
    return lira.scores(found, {"reference": reference})


def slow_scores(target_phi, shadow_phi, member, targets, floor, kept=None):
    """One target, one sample, one query at a time.

    Shadow models are all but the target's pair; or by side, target and sample those of `kept`.
    """
    found = {attack: np.zeros(target_phi.shape[:2]) for attack in lira.SCORES}
    logarithm = {attack: np.full(target_phi.shape[:2], -np.inf) for attack in lira.SCORES[2:]}
    samples, queries = target_phi.shape[1:]
    for row, target in enumerate(targets):
        shadows = [m for m in range(len(shadow_phi)) if m // 2 != target // 2]
        for query in range(queries):
            both = []
            for side, inside in enumerate((True, False)):
                values = [
                    [
                        shadow_phi[m, s, query]
                        for m in (kept[side][row][s] if kept else shadows)
                        if member[m, s] == inside
                    ]
                    for s in range(samples)
                ]
                mu = [np.median(v) for v in values]
                sd = [max(np.std(v), floor) for v in values]
                residuals = np.concatenate(
                    [np.array(v) - m for v, m in zip(values, mu, strict=True)]
                )
                both.append((mu, sd, max(np.std(residuals), floor)))
            (mu_in, sd_in, fixed_in), (mu_out, sd_out, fixed_out) = both
            for s in range(samples):
                phi = target_phi[row, s, query]
                for suffix, sigma_in, sigma_out in (
                    ("", sd_in[s], sd_out[s]),
                    ("_fixed", fixed_in, fixed_out),
                ):
                    found[f"lira_online{suffix}"][row, s] += (
                        stats.norm.logpdf(phi, mu_in[s], sigma_in)
                        - stats.norm.logpdf(phi, mu_out[s], sigma_out)
                    ) / queries
                    found[f"lira_offline{suffix}"][row, s] += (
                        -stats.norm.logsf(phi, mu_out[s], sigma_out) / queries
                    )
                    # Far below, -log Pr[Z > phi] and Pr[Z < phi] are the same.
                    of_score = logarithm[f"lira_offline{suffix}"]
                    of_score[row, s] = np.logaddexp(
                        of_score[row, s],
                        stats.norm.logcdf(phi, mu_out[s], sigma_out) - np.log(queries),
                    )
    for attack, values in logarithm.items():
        faint = found[attack] < lira.LEAST_OFFLINE
        found[attack][faint] = values[faint] - np.log(lira.LEAST_OFFLINE)
    return found


def assert_same(found, expected, rtol=1e-12, atol=1e-12):
    assert list(found) == list(expected) == list(lira.SCORES)
    for attack, values in expected.items():
        assert found[attack].dtype == np.float64
        np.testing.assert_allclose(found[attack], values, rtol=rtol, atol=atol, err_msg=attack)


@pytest.mark.parametrize(("models", "queries"), [(4, 1), (6, 2), (8, 3), (18, 2), (20, 1)])
def test_every_target_is_scored_as_by_the_slow_loop(models, queries):
    phi, member = pool(models, 23, queries)
    targets = range(models)
    attacked = phi + np.random.default_rng(1).normal(size=phi.shape)  # transfer
    floor = sides.DEVIATION_FLOOR
    assert_same(
        scored(attacked, phi, member, targets),
        slow_scores(attacked, phi, member, targets, floor),
    )
    some = [models - 1, 0, 1]
    assert_same(
        scored(phi[some], phi, member, some), slow_scores(phi[some], phi, member, some, floor)
    )


@pytest.mark.parametrize(("models", "queries"), [(7, 2), (12, 1)])
def test_a_pool_without_pairs_is_scored_as_by_the_slow_loop(models, queries):
    member = pools.by_coin(models, 23)
    phi = pools.answers(member, queries)
    attacked = phi + np.random.default_rng(1).normal(size=phi.shape)
    kept = pools.kept(pools.evidence(phi, member, range(models)))
    assert_same(
        scored(attacked, phi, member, range(models)),
        slow_scores(attacked, phi, member, range(models), sides.DEVIATION_FLOOR, kept),
    )


def test_blocks_of_samples_change_nothing(monkeypatch):
    phi, member = pool(10, 50, 2)
    whole = scored(phi, phi, member, range(10))
    monkeypatch.setattr(sides, "SAMPLES_PER_BLOCK", 7)
    assert_same(scored(phi, phi, member, range(10)), whole, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_exact_where_the_pair_left_out_is_an_outlier(scale):
    phi, member = pool(12, 20, 1, seed=2)
    phi = 500 + phi / 5
    phi[4] += 1e4 * scale
    phi[5] -= 1e4 * scale
    expected = slow_scores(phi, phi, member, range(12), sides.DEVIATION_FLOOR)
    found = scored(phi, phi, member, range(12))
    for attack in ("lira_online", "lira_offline"):
        np.testing.assert_allclose(found[attack], expected[attack], rtol=1e-10, atol=1e-10)


@given(
    st.integers(2, 6),
    st.lists(st.sampled_from([-2.0, 0.0, 0.5, 1.0, 1.0 + 1e-9, 7.0]), min_size=12, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_ties_do_not_disturb_what_is_left(pairs, values):
    values = np.array(values[:pairs])
    fit = sides._without(values[:, None].repeat(2, axis=1), np.arange(pairs))
    for pair in range(pairs):
        left = np.delete(values, pair)
        assert fit.median[pair] == pytest.approx(np.full(2, np.median(left)), abs=1e-14)
        expected = max(left.std(), sides.DEVIATION_FLOOR)
        assert fit.deviation[pair] == pytest.approx(np.full(2, expected), rel=1e-12)


def test_a_constant_confidence_is_scored_with_the_floor():
    _, member = pool(6, 5, 2)
    phi = np.full((6, 5, 2), 3.25)
    found = scored(phi, phi, member, range(6))
    for suffix in ("", "_fixed"):
        assert (found[f"lira_online{suffix}"] == 0).all()
        np.testing.assert_allclose(found[f"lira_offline{suffix}"], np.log(2), rtol=1e-15)
    above = scored(phi + 4e-6, phi, member, range(6))
    np.testing.assert_allclose(above["lira_offline"], -stats.norm.logsf(4), rtol=1e-6)


def test_offline_does_not_saturate_where_members_lie():
    generator = np.random.default_rng(0)
    member = np.tile([[True], [False]], (4, 400))
    shadow = generator.normal(size=(8, 400, 1))
    target = np.linspace(-3, 1e3, 400)[None, :, None]
    found = scored(target, shadow, member, [0])
    assert (np.diff(found["lira_offline_fixed"][0]) > 0).mean() > 0.99
    expected = slow_scores(target, shadow, member, [0], sides.DEVIATION_FLOOR)
    np.testing.assert_allclose(found["lira_offline"], expected["lira_offline"], rtol=1e-12)


@pytest.mark.parametrize("queries", [1, 2])
def test_offline_does_not_underflow_far_below_the_median(queries):
    """With one value a side the deviation is the floor, and Pr[Z < phi] is 0 in floats."""
    _, member = pool(4, 300, 1)
    generator = np.random.default_rng(3)
    shadow = generator.normal(size=(4, 300, queries))
    below = np.geomspace(1e-6, 5, 300)[:, None] * np.linspace(1, 1.5, queries)
    out = np.where(member[2, :, None], shadow[3], shadow[2])  # what is left without pair 0
    found = scored((out - below)[None], shadow, member, [0])["lira_offline"][0]
    assert (np.diff(found) < 0).all()
    assert 30 < (found > 0).sum() < 100  # as far as the paper's value is a float


def test_the_order_of_targets_and_samples_does_not_matter():
    phi, member = pool(8, 30, 2)
    found = scored(phi, phi, member, range(8))
    order = np.random.default_rng(0).permutation(30)
    again = scored(phi[[5, 2]][:, order], phi[:, order], member[:, order], [5, 2])
    for attack in lira.SCORES:
        np.testing.assert_allclose(
            again[attack], found[attack][[5, 2]][:, order], rtol=1e-12, atol=1e-12
        )


def test_the_order_of_the_pairs_does_not_matter():
    phi, member = pool(8, 30, 2)
    found = scored(phi, phi, member, range(8))
    order = np.array([6, 7, 3, 2, 0, 1, 4, 5])
    again = scored(phi[order], phi[order], member[order], range(8))
    for attack in lira.SCORES:
        np.testing.assert_allclose(again[attack], found[attack][order], rtol=1e-12, atol=1e-12)


def test_a_targets_own_pair_tells_it_nothing():
    phi, member = pool(8, 30, 2)
    found = scored(phi[[2]], phi, member, [2])
    changed, swapped = phi.copy(), member.copy()
    changed[2:4] = 1e3
    swapped[2:4] = member[[3, 2]]
    again = scored(phi[[2]], changed, swapped, [2])
    for attack in lira.SCORES:
        np.testing.assert_allclose(again[attack], found[attack], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("models", [6, 32])
@pytest.mark.parametrize("reference", [False, True])
def test_models_that_learned_nothing_give_nothing_away(reference, models):
    """Untrained models: phi is independent of membership, so every attack must be at chance.

    The measure is that of per-sample exposure, which averages to the pooled one: how much likelier
    a sample is caught in the targets that were trained on it. Samples are independent, so their
    spread gives the error, which targets that share shadow models would understate. In the pool of
    6, leaving out the target without its twin fails this by 10 errors and more.
    """
    phi, member = pool(models, 4000, 1, effect=0.0)
    found = scored(phi, phi, member, range(models), reference)
    for attack, values in found.items():
        share_above = 1 - stats.rankdata(values, axis=1) / values.shape[1]
        caught = [share_above < fpr for fpr in (0.01, 0.1, 0.5)]
        for measure in (*caught, -share_above):
            inside = (measure * member).sum(axis=0) / member.sum(axis=0)
            outside = (measure * ~member).sum(axis=0) / (~member).sum(axis=0)
            gain = inside - outside
            assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(len(gain)), attack


def public_scores(target_phi, shadow_phi, member, target):
    """The public implementations, written out a sample at a time, higher = member."""
    paired = (member[0::2] != member[1::2]).all()
    left_out = {target, target ^ 1} if paired else {target}
    shadows = [m for m in range(len(shadow_phi)) if m not in left_out]
    samples, queries = target_phi.shape
    value_in = [[list(shadow_phi[m, s]) for m in shadows if member[m, s]] for s in range(samples)]
    value_out = [
        [list(shadow_phi[m, s]) for m in shadows if not member[m, s]] for s in range(samples)
    ]
    fewest_in, fewest_out = min(map(len, value_in)), min(map(len, value_out))
    value_in = [v[:fewest_in] for v in value_in]
    value_out = [v[:fewest_out] for v in value_out]
    all_in = [x for v in value_in for views in v for x in views]
    all_out = [x for v in value_out for views in v for x in views]
    mean_in, mean_out = sum(all_in) / len(all_in), sum(all_out) / len(all_out)
    fixed_in = (sum((x - mean_in) ** 2 for x in all_in) / len(all_in)) ** 0.5
    fixed_out = (sum((x - mean_out) ** 2 for x in all_out) / len(all_out)) ** 0.5
    found = {attack: [] for attack in lira.SCORES}
    for s in range(samples):
        views = {attack: [] for attack in lira.SCORES}
        for q in range(queries):
            phi = target_phi[s, q]
            side_in, side_out = [v[q] for v in value_in[s]], [v[q] for v in value_out[s]]
            in_, out = np.median(side_in), np.median(side_out)
            sd_in, sd_out = np.std(side_in) + 1e-30, np.std(side_out) + 1e-30
            log = stats.norm.logpdf
            views["lira_online"].append(log(phi, in_, sd_in) - log(phi, out, sd_out))
            views["lira_online_fixed"].append(log(phi, in_, fixed_in) - log(phi, out, fixed_in))
            views["lira_offline"].append(-log(phi, out, sd_out))
            views["lira_offline_fixed"].append(-log(phi, out, fixed_out))
        for attack, value in views.items():
            found[attack].append(sum(value) / queries)
    return found


@pytest.mark.parametrize("paired", [True, False])
def test_reference_reproduces_the_public_formulas(paired):
    phi, member = pool(24, 40, 2, seed=3)
    if not paired:  # their pools are not made of pairs: samples have different counts
        member = np.random.default_rng(4).random((24, 40)) < 0.5
    targets = [0, 7, 23]
    found = scored(phi[targets], phi, member, targets, reference=True)
    for row, target in enumerate(targets):
        expected = public_scores(phi[target], phi, member, target)
        for attack in lira.SCORES:
            np.testing.assert_allclose(found[attack][row], expected[attack], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("reference", [False, True])
def test_each_sample_must_be_on_both_sides(reference):
    phi, member = pool(6, 5, 2)
    with pytest.raises(ValueError, match="member: .*sample .*all or none"):
        scored(phi[[0, 3]], phi, np.ones_like(member), [0, 3], reference)
