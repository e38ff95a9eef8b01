"""The rule behind intervals and p-values, against its own definition and on planted truths."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from ptq_privacy.measures import intervals
from ptq_privacy.measures.intervals import Resampled, estimate


def planted(targets=6, samples=40, shared=1.0, shift=0.0, seed=0):
    """Means over samples of numbers to which target, sample and chance contribute."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(targets, samples)) + shift
    numbers += 0.3 * generator.normal(size=(targets, 1)) + shared * generator.normal(size=samples)
    return Resampled(numbers.mean(axis=1), weights(samples) @ numbers.T / samples)


@cache
def weights(samples):
    return intervals.sample_weights(np.arange(samples)[None] % 2 == 0, 0).astype(float)


def test_the_variance_is_that_of_targets_and_samples_less_that_of_both():
    """Cameron, Gelbach and Miller's three sums, with each divisor one less than its count."""
    found = planted()
    between, within = found.each - found.each.mean(), found.drawn - found.drawn.mean(axis=0)
    t, b = len(found.each), len(found.drawn)
    pairs = [(i, j) for i in range(t) for j in range(t) if i != j]
    together = np.mean([(within[:, i] * within[:, j]).sum() / (b - 1) for i, j in pairs])
    variance = (between**2).sum() / (t - 1) / t + together
    parts = (variance - together) ** 2 / (t - 1) + together**2 / (t * (t - 1) / 2)
    student = stats.t(variance**2 / parts, scale=np.sqrt(variance))
    half = student.ppf(0.975)
    value, low, high, p = estimate(found)
    assert value == found.each.mean()
    assert (low, high) == pytest.approx((value - half, value + half), rel=1e-12)
    assert p == pytest.approx(2 * student.sf(abs(value)), rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_an_interval_excludes_zero_where_p_is_below_a_twentieth(shift):
    found = [estimate(planted(shift=shift, seed=seed)) for seed in range(60)]
    excluded = [own.low > 0 or own.high < 0 for own in found]
    assert excluded == [own.p_value < 0.05 for own in found]
    assert any(excluded)


@pytest.mark.parametrize(("targets", "shared"), [(2, 0.0), (4, 1.0), (10, 0.0), (10, 1.0)])
def test_intervals_hold_the_truth_and_nothing_is_found_where_nothing_is(targets, shared):
    """In about 19 of 20 studies; an interval over targets alone would in 2 of 3 where shared."""
    found = [estimate(planted(targets, 60, shared, seed=seed)) for seed in range(150)]
    held = sum(own.low <= 0 <= own.high for own in found)
    assert 0.90 * 150 <= held < 150 or (targets == 2 and held >= 0.90 * 150)


def test_a_single_target_has_an_interval_over_samples():
    numbers = np.random.default_rng(0).normal(size=400)
    found = estimate(Resampled(numbers.mean()[None], (weights(400) @ numbers / 400)[:, None]))
    error = (found.high - found.low) / 2 / 1.97
    assert error == pytest.approx(numbers.std() / 20, rel=0.2)


def test_a_difference_of_equals_is_zero_and_one_of_constants_is_sure():
    same = planted()
    assert estimate(same.minus(same)) == (0, 0, 0, 1)
    more = estimate(same.scaled(1, 2).minus(same))
    assert more.p_value == 0
    assert more[:3] == pytest.approx((2, 2, 2))


def test_rates_that_are_equal_by_chance_have_an_interval_over_samples():
    drawn = np.random.default_rng(0).normal(size=(200, 1)) * [1, -1]
    drawn[:, 1] += 0.1 * np.random.default_rng(1).normal(size=200)
    found = estimate(Resampled(np.array([0.02, 0.02]), drawn))
    assert found.low < 0 < found.high


def test_a_rate_of_none_or_all_is_not_sure():
    """Clopper and Pearson's interval, and a p-value that says the same."""
    none = Resampled(np.zeros(3), np.zeros((5, 3)))
    for limit in (0.01, 0.03, 0.04, 0.5):
        found = intervals.rate(none, 100, limit)
        assert found.high == pytest.approx(stats.beta.ppf(0.975, 1, 100))
        assert (found.p_value < 0.05) == (limit > found.high)
        every = intervals.rate(none.scaled(1, 1), 100, 1 - limit)
        assert every == pytest.approx((1, 1 - found.high, 1, found.p_value))
    some = planted(shift=0.3)
    assert intervals.rate(some, 100, 0.2)[:3] == estimate(some)[:3]
    assert intervals.rate(some, 100, 0.2).p_value == estimate(some.scaled(1, -0.2)).p_value


def test_a_ratio_is_that_of_the_means_and_varies_as_it_does():
    one, other = planted(seed=1, shift=3.0), planted(seed=2, shift=4.0)
    ratio = one.over(other)
    assert ratio.mean == pytest.approx(one.mean / other.mean, rel=1e-14)
    drawn = one.drawn.mean(axis=1) / other.drawn.mean(axis=1)
    assert ratio.drawn.mean(axis=1).std() == pytest.approx(drawn.std(), rel=0.05)
    with pytest.raises(ValueError, match="a mean of zero"):
        one.over(one.minus(one))


def test_what_is_unknown_of_one_target_leaves_no_estimate():
    each = np.array([1.0, np.nan, 2.0])
    assert np.isnan(estimate(Resampled(each, np.ones((5, 3))))).all()
    assert np.isnan(estimate(Resampled(np.ones(3), np.array([each, each])))).all()


def test_samples_are_drawn_alike_and_leave_no_class_empty():
    member = np.array([[True, False, False, False], [False, False, True, True]])
    weight = intervals.sample_weights(member, 3)
    assert weight.shape == (intervals.REPLICATES, 4)
    assert (weight.sum(axis=1) == 4).all()
    inside = weight @ member.T
    assert ((inside > 0) & (inside < 4)).all()
    np.testing.assert_array_equal(weight, intervals.sample_weights(member, 3))
    assert (weight != intervals.sample_weights(member, 4)).any()
