"""Disparity by class: by slow counting, under the null, and planted."""

import numpy as np
import pytest
from scipy import stats

from ptq_privacy.data import membership
from ptq_privacy.measures import disparity
from ptq_privacy.measures.exposure import called

NAMES = ("ant", "bee", "cat", "rare")


def study(targets=8, samples=1230, shift=(1.0, 1.0, 1.0, 1.0), ease=0.0, seed=0, copies=1):
    """Labels, membership and calls at 10 % FPR; the last class has 30 samples."""
    generator = np.random.default_rng(seed)
    member = membership.draw(samples, targets, seed)
    label = np.where(np.arange(samples) < 30, 3, np.arange(samples) % 3)
    hard = 0.5 * generator.normal(size=samples)
    found = []
    for _ in range(copies):
        noise = generator.normal(size=member.shape) + hard + ease * (label == 1)
        found.append(called(member, noise + np.asarray(shift)[label] * member, 0.1))
    return label, member, found


def tabulated(label, member, calls, seed=0):
    classes = disparity.Classes(label, member, seed)
    return [table.set_index("name") for table in disparity.tabulate(classes, calls, NAMES)]


def test_rates_are_those_of_slow_counting_and_resampling():
    label, member, (calls,) = study(targets=4)
    classes = disparity.Classes(label, member, 5)
    of_each, together = classes.rates(calls)
    weights = classes._weight.astype(int)[:4]
    for replicate, times in enumerate(weights):
        drawn = np.arange(len(label)).repeat(times)
        for target in range(4):
            inside, share = member[target, drawn], calls.called[target, drawn]
            for place, rates in [*enumerate(of_each), (None, together)]:
                own = np.ones(len(drawn), bool) if place is None else label[drawn] == place
                for side, found in ((inside, rates.tpr), (~inside, rates.fpr)):
                    value = found.drawn[replicate - 1] if replicate else found.each
                    assert value[target] == pytest.approx(share[own & side].mean(), abs=1e-5)


def test_a_class_that_leaks_more_is_found_and_few_samples_are_said():
    (table,) = tabulated(*study(shift=(1.0, 2.5, 1.0, 9.0)))
    assert table.loc["bee", "difference_low"] > 0.1
    assert table.loc["bee", "q_value"] < 0.01
    assert table.loc["bee", "ratio_low"] > 1.2
    assert (table.loc[["ant", "cat"], "difference_high"] < 0).all()
    assert table.loc["rare", ["tpr", "difference", "q_value"]].isna().all()
    assert table.loc["rare", "note"] == disparity.TOO_FEW
    known = table[table["p_value"].notna()]
    expected = stats.false_discovery_control(known["p_value"])
    np.testing.assert_allclose(known["q_value"], expected)
    assert (table["exposure"] - table["tpr"] + table["fpr"]).abs().max() < 1e-12


def test_a_class_that_is_accused_more_does_not_leak_more():
    """Nothing leaks, but every bee seems a member: many are called, as many falsely."""
    wrong = 0
    for seed in range(12):
        (table,) = tabulated(*study(targets=6, shift=(0, 0, 0, 0), ease=1.0, seed=seed))
        assert table.loc["bee", "tpr"] > 1.5 * table.loc["ant", "tpr"]
        wrong += int((table["p_value"] < 0.05).sum())
        assert table["ratio"].isna().all() or (table["exposure"].abs() < 0.1).all()
    assert wrong <= 6  # of 36


def test_ratios_are_compared_with_full_precision():
    label, member, calls = study(shift=(1.0, 2.0, 1.0, 1.0), copies=2)
    changed = study(shift=(0.4, 2.0, 0.4, 0.4))[2]
    full, same, other = tabulated(label, member, [*calls, *changed])
    assert full["ratio_change"].isna().all()
    assert same.loc["bee", "ratio_change"] == pytest.approx(
        same.loc["bee", "ratio"] - full.loc["bee", "ratio"], abs=1e-9
    )
    assert same.loc["bee", "ratio_change_low"] < 0 < same.loc["bee", "ratio_change_high"]
    assert other.loc["bee", "ratio_change_low"] > 0.1
    assert other.loc["bee", "ratio_change_q_value"] < 0.05


def test_the_limit_is_the_lowest_that_is_resolved():
    assert [disparity.limit(n) for n in (50, 100, 999, 1000)] == [0.01, 0.01, 0.01, 0.001]
