"""Percentile intervals and p-values of a bootstrap distribution."""

import numpy as np
import pytest

from ptq_privacy.measures import intervals


def test_an_interval_is_that_of_percentiles():
    values = np.random.default_rng(0).normal(size=200)
    low, high = intervals.interval(values)
    place = np.sort(values)
    assert low == pytest.approx(place[4] + 0.975 * (place[5] - place[4]), abs=1e-12)
    assert high == pytest.approx(place[194] + 0.025 * (place[195] - place[194]), abs=1e-12)


def test_infinite_replicates_count_and_leave_no_nan():
    """A share of a gain is infinite where a replicate has none; two of these once made a NaN."""
    finite = np.arange(190.0)
    ends = np.concatenate([np.full(5, -np.inf), finite, np.full(5, np.inf)])
    assert intervals.interval(ends) == (-np.inf, np.inf)
    few = np.concatenate([np.full(2, -np.inf), np.arange(196.0), np.full(2, np.inf)])
    assert intervals.interval(few) == (2, 193)


def test_a_replicate_without_a_value_leaves_none():
    assert np.isnan(intervals.interval(np.array([1.0, np.nan, 2.0]))).all()
    assert np.isnan(intervals.p_value(np.array([1.0, np.nan, 2.0])))


def test_p_values_are_two_sided_and_never_zero():
    assert intervals.p_value(np.ones(199)) == 2 / 200
    assert intervals.p_value(np.append(np.ones(198), -1.0)) == 4 / 200
    assert intervals.p_value(np.array([-1.0, 1.0])) == 1
