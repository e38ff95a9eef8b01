"""The calibration samples of a model: its own members, by a draw of their own."""

import numpy as np
import pytest

from ptq_privacy.data import membership
from ptq_privacy.stages.quantize import calibration_set


def test_members_alone_without_repetition_and_reproducible():
    member = np.random.default_rng(0).random(200) < 0.5
    chosen = calibration_set(member, 40, seed=3, model=7)
    assert member[chosen].all()
    assert len(np.unique(chosen)) == 40
    np.testing.assert_array_equal(chosen, calibration_set(member, 40, seed=3, model=7))
    assert not np.array_equal(chosen, calibration_set(member, 40, seed=3, model=8))


def test_too_few_members_are_named():
    with pytest.raises(ValueError, match="calibration_samples: 5 is more than the 4 members"):
        calibration_set(np.array([True] * 4 + [False] * 4), 5, seed=0, model=0)


def test_it_does_not_follow_the_draw_of_the_members():
    """Model k's calibration draw once came from the stream that had split pair k."""
    samples, seed = 1000, 0
    for pair in range(3):
        stream = np.random.default_rng((seed, pair))
        own = np.flatnonzero(membership.draw(samples, 2 * pair + 2, seed)[2 * pair])
        same_stream = np.sort(stream.choice(own, 100, replace=False))
        chosen = calibration_set(np.isin(np.arange(samples), own), 100, seed, pair)
        assert not np.array_equal(chosen, same_stream)
