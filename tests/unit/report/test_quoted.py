"""Which metric figures quote: never a rate that the non-members do not resolve."""

import pandas as pd
import pytest

from ptq_privacy.report.quoted import note, quoted


@pytest.mark.parametrize(
    ("nonmembers", "metric", "label", "chance"),
    [
        (1000, "tpr_at_fpr_0.001", "TPR at 0.1 % FPR (%)", 0.1),
        (999, "tpr_at_fpr_0.01", "TPR at 1 % FPR (%)", 1),
        (100, "tpr_at_fpr_0.01", "TPR at 1 % FPR (%)", 1),
        (99, "auc", "AUC", 0.5),
    ],
)
def test_the_lowest_rate_that_is_resolved_is_quoted(nonmembers, metric, label, chance):
    found = quoted(nonmembers)
    assert (found.metric, found.label, found.chance) == (metric, label, chance)


def test_what_is_not_quoted_is_said():
    assert note(1000) == ""
    assert note(750) == (
        "750 non-members a target do not resolve 0.1 % FPR, which takes 1,000; hence TPR at 1 % FPR"
    )


def test_an_axis_holds_all_intervals_and_chance():
    rates = pd.DataFrame(
        {
            f"tpr_at_fpr_0.01_{part}": [value]
            for part, value in (("mean", 0.002), ("low", 0), ("high", 0.004))
        }
    )
    low, high = quoted(500).heights(rates)
    assert -0.2 < low < 0  # a mark at zero is whole
    assert high > 1
    areas = pd.DataFrame({"auc_mean": [0.6], "auc_low": [0.55], "auc_high": [0.7]})
    low, high = quoted(50).heights(areas)
    assert 0.4 < low < 0.5
    assert 0.7 < high < 0.8
