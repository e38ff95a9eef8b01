"""Method against method: by hand, on planted curves, and where curves do not meet."""

import numpy as np
import pytest

from ptq_privacy.measures import methods
from ptq_privacy.measures.intervals import Resampled, estimate
from ptq_privacy.measures.methods import NOT_REACHED, Measured
from ptq_privacy.study.variants import Variant

TARGETS = 12


def measured(leak, accuracy, seed=0, spread=0.01):
    """Targets that vary about a leak and an accuracy; their samples add nothing."""
    generator = np.random.default_rng(seed)
    each = leak + spread * generator.normal(size=TARGETS)
    drawn = each + spread / 3 * generator.normal(size=(100, TARGETS))
    own = accuracy + spread * generator.normal(size=TARGETS)
    return Measured(Resampled(each, drawn), own)


def network(seed=0, gain=0.0, spread=0.01):
    """Two methods whose leak falls by 4 points a point of accuracy lost, one by `gain` less."""
    parts = {
        "full": (0.5, 0.90),
        "brecq-w4": (0.48, 0.895),
        "brecq-w2": (0.38, 0.87),
        "obc-w4": (0.46 + gain, 0.89),
        "obc-w2": (0.30 + gain, 0.85),
    }
    return {
        Variant.recorded(name): measured(*own, seed=100 * seed + place, spread=spread)
        for place, (name, own) in enumerate(parts.items())
    }


def found(networks):
    rows = {(row["network"], row["at"]): row for row in methods.differences(networks)}
    assert len(rows) == (len(networks) + (len(networks) > 1)) * 5
    return rows


def test_at_equal_bits_targets_are_compared_one_by_one():
    own = network()
    row = found({"net": own})["net", "2 bits"]
    brecq, obc = (own[Variant.recorded(f"{name}-w2")].leak for name in ("brecq", "obc"))
    expected = estimate(brecq.minus(obc))
    assert (row["method"], row["other"]) == ("brecq", "obc")
    assert (row["estimate"], row["low"], row["high"], row["p_value"]) == expected


def test_at_equal_accuracy_methods_on_one_curve_are_equal_though_not_at_equal_bits():
    rows = found({"net": network(spread=0.0)})
    assert rows["net", "2 bits"]["estimate"] == pytest.approx(0.08, abs=1e-12)
    for at in ("1 % accuracy lost", "2 % accuracy lost"):
        assert rows["net", at]["estimate"] == pytest.approx(0, abs=1e-12)
    more = found({"net": network(gain=-0.05, spread=0.0)})["net", "2 % accuracy lost"]
    assert more["estimate"] == pytest.approx(0.05, abs=1e-12)
    beyond = rows["net", "5 % accuracy lost"]
    assert np.isnan(beyond["estimate"])
    assert beyond["note"] == NOT_REACHED


def test_intervals_at_equal_accuracy_hold_what_accuracies_add():
    """Held against studies drawn again: an interval that took the place as known would be short."""
    estimates, widths = [], []
    for seed in range(150):
        row = found({"net": network(seed)})["net", "2 % accuracy lost"]
        estimates.append(row["estimate"])
        widths.append(row["high"] - row["low"])
    half = np.mean(widths) / 2
    assert half == pytest.approx(2.2 * np.std(estimates), rel=0.2)
    held = np.mean(np.abs(np.array(estimates)) <= np.array(widths) / 2)
    assert 0.88 <= held <= 0.99


def test_over_networks_a_target_counts_with_its_mean():
    both = {"a": network(1), "b": network(2)}
    rows = found(both)
    one, two = (rows[name, "4 bits"] for name in both)
    mean = rows["all", "4 bits"]
    assert mean["estimate"] == pytest.approx((one["estimate"] + two["estimate"]) / 2, abs=1e-12)
    assert mean["high"] - mean["low"] < one["high"] - one["low"] + two["high"] - two["low"]
    assert np.isnan(rows["all", "5 % accuracy lost"]["estimate"])
