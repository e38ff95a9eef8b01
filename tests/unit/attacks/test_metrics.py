"""Metrics against scikit-learn, numeric integration, slow definitions and analytic cases."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score, roc_curve

from ptq_privacy.attacks import metrics

NAMES = ("auc", "balanced_accuracy", "log_auc_loglog", "log_auc_semilog")


def all_metrics(member, score):
    found = {name: getattr(metrics, name)(member, score) for name in NAMES}
    for fpr in (0.001, 0.01, 0.1, 1.0):
        found[f"tpr_at_fpr_{fpr}"] = metrics.tpr_at_fpr(member, score, fpr)
    return found


@st.composite
def cases(draw):
    """Members and scores with ties and infinities, both classes present."""
    score = st.one_of(
        st.sampled_from([-np.inf, np.inf, 0.0, -0.0, 1.0]),
        st.floats(allow_nan=False),
    )
    pairs = draw(st.lists(st.tuples(st.booleans(), score), min_size=2, max_size=40))
    member = np.array([inside for inside, _ in pairs])
    assume(member.any() and not member.all())
    return member, np.array([value for _, value in pairs])


@given(cases())
def test_roc_is_that_of_scikit_learn(case):
    member, score = case
    ranks = stats.rankdata(score, method="dense")  # scikit-learn refuses infinities
    fpr, tpr, _ = roc_curve(member, ranks, drop_intermediate=False)
    found = metrics.roc(member, score)
    np.testing.assert_allclose(found, (fpr, tpr), rtol=1e-15)
    assert metrics.auc(member, score) == pytest.approx(roc_auc_score(member, ranks), abs=1e-12)
    assert found[0][0] == found[1][0] == 0
    assert found[0][-1] == found[1][-1] == 1


@given(cases(), st.floats(0, 1))
def test_tpr_at_fpr_and_accuracy_are_the_best_over_all_thresholds(case, limit):
    member, score = case
    best_tpr, best_accuracy = 0.0, 0.5
    for threshold in score:
        called = score >= threshold
        fp, tp = (called & ~member).sum(), (called & member).sum()
        fpr, tpr = fp / (~member).sum(), tp / member.sum()
        best_accuracy = max(best_accuracy, (1 - fpr + tpr) / 2)
        if fpr <= limit * (1 + 1e-9):  # k/n may round to just above the limit that it equals
            best_tpr = max(best_tpr, tpr)
    assert metrics.tpr_at_fpr(member, score, limit) == best_tpr
    assert metrics.balanced_accuracy(member, score) == pytest.approx(best_accuracy, abs=1e-15)


@given(cases())
def test_only_the_order_of_the_scores_matters(case):
    member, score = case
    expected = all_metrics(member, score)
    assert all_metrics(member, stats.rankdata(score)) == expected
    order = np.random.default_rng(0).permutation(len(score))
    assert all_metrics(member[order], score[order]) == expected
    assert metrics.auc(~member, -score) == pytest.approx(expected["auc"], abs=1e-12)
    assert metrics.auc(member, -score) == pytest.approx(1 - expected["auc"], abs=1e-12)
    rounding = 1e-12
    assert all(-rounding <= value <= 1 + rounding for value in expected.values())


@given(cases(), st.data())
@settings(max_examples=50)
def test_weights_count_as_repetitions(case, data):
    member, score = case
    weights = st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score))
    several = np.array(data.draw(st.lists(weights, min_size=1, max_size=3)))
    assume(((several @ member) > 0).all() and ((several @ ~member) > 0).all())
    curves = metrics.curve(metrics.rank(member, score), several.astype(float))
    for name, metric in metrics.METRICS.items():
        found = metric(*curves, 30)
        for weight, value in zip(several, found, strict=True):
            repeated = member.repeat(weight), score.repeat(weight)
            assert value == pytest.approx(metric(*metrics.roc(*repeated), 30), abs=1e-12), name


@pytest.mark.parametrize("nonmembers", [7, 100, 300, 700, 1000, 2900])
def test_a_limit_of_k_in_n_allows_k_false_positives(nonmembers):
    for k in range(0, nonmembers, max(1, nonmembers // 97)):
        member = np.tile([False, True], nonmembers)
        score = -np.arange(len(member)).astype(float)  # one member after each non-member
        for limit in (k / nonmembers, k * (1 / nonmembers)):
            assert metrics.tpr_at_fpr(member, score, limit) == k / nonmembers


def test_log_areas_of_a_planted_curve():
    """Ten of 1,000 non-members outrank the last 2/5 of the members, the rest come after all.

    So from one non-member, 1e-3, to 1e-2, a third of the axis, TPR 0.6; then 1 throughout.
    """
    member = np.repeat([True, False, True, False], [30, 10, 20, 990])
    score = -np.repeat([0.0, 1.0, 2.0, 3.0], [30, 10, 20, 990])
    at_06 = 1 + np.log10(0.6) / 3
    assert metrics.log_auc_loglog(member, score) == pytest.approx((at_06 + 2) / 3, abs=1e-12)
    assert metrics.log_auc_semilog(member, score) == pytest.approx((0.6 + 2) / 3, abs=1e-12)
    assert metrics.tpr_at_fpr(member, score, 0.009) == 0.6
    assert metrics.tpr_at_fpr(member, score, 0.01) == 1.0


def test_log_areas_do_not_depend_on_what_the_nonmembers_cannot_resolve():
    """Members all above the 100 non-members or all at the level of the first: below 1/100 the
    curves differ, and nothing is known there."""
    member = np.repeat([True, False], [50, 100])
    above = -np.repeat([0.0, 1.0], [50, 100])
    level = -np.concatenate([np.zeros(51), np.ones(99)])
    for name in ("log_auc_loglog", "log_auc_semilog"):
        area = getattr(metrics, name)
        assert metrics.lowest(name, 100) == 0.01
        assert area(member, above) == pytest.approx(1, abs=1e-12)
        assert area(member, level) == pytest.approx(1, abs=1e-12)
    assert metrics.lowest("log_auc_loglog", 10**6) == 1e-5
    assert metrics.lowest("log_auc_semilog", 10**6) == 1e-3
    assert metrics.lowest("auc", 100) is None


@pytest.mark.parametrize(("members", "nonmembers"), [(60, 60), (750, 750), (1000, 1000)])
def test_chance_is_what_random_scores_reach_on_average(members, nonmembers):
    generator = np.random.default_rng(0)
    total = members + nonmembers
    member = np.stack([generator.permutation(total) < members for _ in range(800)])
    score = np.arange(total).astype(float)
    found = {name: [] for name in metrics.METRICS}
    for own in member:
        curve = metrics.curve(metrics.rank(own, score))
        for name, metric in metrics.METRICS.items():
            found[name].append(float(metric(*curve, nonmembers)))
    for name, values in found.items():
        error = 4 * np.std(values) / np.sqrt(len(values))
        error += 0.5 / members if name == "balanced_accuracy" else 0  # to first order
        expected = metrics.chance(name, members, nonmembers)
        assert np.mean(values) == pytest.approx(expected, abs=error), name
    assert metrics.chance("tpr_at_fpr_0.001", 1, 750) == 1 / 751
    assert metrics.chance("tpr_at_fpr_0.001", 1, 1000) == 2 / 1001
    assert metrics.chance("tpr_at_fpr_0.001", 1, 5000) == 6 / 5001


@given(cases(), st.data())
@settings(max_examples=25)
def test_corners_leave_every_metric_as_it_is(case, data):
    member, score = case
    weights = st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score))
    several = np.array(data.draw(st.lists(weights, min_size=1, max_size=3)))
    assume(((several @ member) > 0).all() and ((several @ ~member) > 0).all())
    ranking = metrics.rank(member, score)
    fewer = metrics.corners(ranking)
    assert set(fewer.last) <= set(ranking.last)
    for name, metric in metrics.METRICS.items():
        found, expected = (metric(*metrics.curve(r, several), 50) for r in (fewer, ranking))
        np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=name)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_log_auc_semilog_is_the_integral_of_the_drawn_curve(case):
    member, score = case
    fpr, tpr = metrics.roc(member, score)
    lowest = 1 / (~member).sum()
    assume(lowest < 1)
    # At a vertical step the curve's value does not matter to the integral: take its upper end.
    x, last = np.unique(fpr[::-1], return_index=True)
    upper = tpr[::-1][last]
    lower = tpr[np.unique(fpr, return_index=True)[1]]
    total = 0.0
    for k in range(len(x) - 1):
        start, end = max(x[k], lowest), max(x[k + 1], lowest)

        def drawn(u, k=k):
            share = (10**u - x[k]) / (x[k + 1] - x[k])
            return upper[k] + share * (lower[k + 1] - upper[k])

        total += integrate.quad(drawn, np.log10(start), np.log10(end), epsabs=1e-12)[0]
    assert metrics.log_auc_semilog(member, score) == pytest.approx(
        total / -np.log10(lowest), abs=1e-9
    )


def test_chance_levels():
    member = np.tile([True, False], 50000)
    tied = np.zeros(len(member))
    assert metrics.auc(member, tied) == 0.5
    assert metrics.balanced_accuracy(member, tied) == 0.5
    assert metrics.log_auc_loglog(member, tied) == pytest.approx(0.5)
    assert metrics.log_auc_semilog(member, tied) == pytest.approx((1 - 1e-3) / (3 * np.log(10)))
    alternating = np.arange(len(member)).astype(float)
    assert metrics.log_auc_loglog(member, alternating) == pytest.approx(0.5, abs=0.02)
    assert metrics.log_auc_semilog(member, alternating) == pytest.approx(0.1446, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_random_scores_give_nothing_away(seed):
    generator = np.random.default_rng(seed)
    n = 20000
    member, score = np.tile([True, False], n), generator.normal(size=2 * n)
    assert abs(metrics.auc(member, score) - 0.5) < 4 * np.sqrt((2 * n + 1) / 12) / n
    for fpr in (0.001, 0.01, 0.1):
        error = np.sqrt(2 * fpr * (1 - fpr) / n)  # of the TPR, and of the threshold
        assert abs(metrics.tpr_at_fpr(member, score, fpr) - fpr) < 4 * error


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_a_planted_shift_gives_the_analytic_curve(shift):
    generator = np.random.default_rng(0)
    n = 40000
    member = np.tile([True, False], n)
    score = generator.normal(size=2 * n) + shift * member
    assert metrics.auc(member, score) == pytest.approx(
        stats.norm.cdf(shift / np.sqrt(2)), abs=4 * 0.3 / np.sqrt(n)
    )
    assert metrics.balanced_accuracy(member, score) == pytest.approx(
        stats.norm.cdf(shift / 2), abs=0.01
    )
    for fpr in (0.01, 0.1):
        expected = stats.norm.sf(stats.norm.isf(fpr) - shift)
        assert metrics.tpr_at_fpr(member, score, fpr) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("member", "score", "message"),
    [
        ([True, False], [0.0, np.nan], "NaN"),
        ([True, True], [0.0, 1.0], "at least one member and one non-member"),
        ([False, False], [0.0, 1.0], "at least one member and one non-member"),
        ([True, False], [0.0], r"expected bool \[samples\]"),
        ([1, 0], [0.0, 1.0], "member is int64"),
        ([[True, False]], [[0.0, 1.0]], r"expected bool \[samples\]"),
    ],
)
def test_bad_input_is_named(member, score, message):
    for metric in (metrics.roc, *(getattr(metrics, name) for name in NAMES)):
        with pytest.raises(ValueError, match=message):
            metric(member, score)
    with pytest.raises(ValueError, match=message):
        metrics.tpr_at_fpr(member, score, 0.1)


def test_a_limit_that_is_no_rate_is_refused():
    with pytest.raises(ValueError, match="not between 0 and 1"):
        metrics.tpr_at_fpr([True, False], [1.0, 0.0], 1.5)


def test_ties_are_the_samples_that_share_their_score():
    assert metrics.ties([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0]) == 5 / 8
    assert metrics.ties([np.inf, -np.inf, 0.0]) == 0
