"""The summary's tables of differences, row by row from what was compared."""

import numpy as np
import pandas as pd

from ptq_privacy.report import differences

TPR = "tpr_at_fpr_0.001"


def comparisons(adversaries=("transfer", "adaptive")):
    rows = [
        ("against_full", "brecq-w1.58-head8", "transfer", -0.012, -0.014, -0.01, 0.01),
        ("against_full", "brecq-w1.58-head8", "adaptive", -0.009, -0.011, -0.007, 0.01),
        ("adaptive_minus_transfer", "brecq-w1.58-head8", "both", 0.003, 0.001, 0.005, 0.02),
        ("taken_back", "brecq-w1.58-head8", "both", 0.25, 0.1, 0.4, 0.02),
        ("against_full", "obc-w4", "transfer", 0.0, -0.001, 0.001, 1.0),
        ("against_full", "obc-w4", "adaptive", 0.001, -0.001, 0.002, 0.5),
        ("adaptive_minus_transfer", "obc-w4", "both", 0.001, -0.001, 0.003, 0.5),
        ("taken_back", "obc-w4", "both", np.nan, np.nan, np.nan, np.nan),
    ]
    columns = ["kind", "variant", "adversary", "estimate", "low", "high", "p_value"]
    table = pd.DataFrame(rows, columns=columns).assign(attack="rmia_online", metric=TPR)
    other = table.assign(attack="lira_online", estimate=9.0)
    table = pd.concat([table, other, table.assign(metric="auc", estimate=9.0)])
    return table[table["adversary"].isin([*adversaries, "both"][: 2 * len(adversaries) - 1])]


def test_an_adapting_attacker_has_a_row_a_variant():
    text = differences.of_adversaries(comparisons(), "rmia_online")
    assert (
        "| BRECQ 1.58 bits, head 8 | -1.20 [-1.40, -1.00] | -0.90 [-1.10, -0.70] "
        "| +0.30 [+0.10, +0.50] | 0.020 | 25 [10, 40] |\n"
    ) in text
    assert "| OBC 4 bits |" in text
    assert "| 0.500 | – |\n" in text
    assert "not corrected" in text
    assert "900" not in text


def test_with_one_adversary_there_is_no_such_table():
    assert differences.of_adversaries(comparisons(["transfer"]), "rmia_online") == ""


def test_calibration_has_a_row_a_variant_and_adversary():
    row = {"attack": "rmia_online", "variant": "obc-w4", "adversary": "adaptive"}
    row |= {"metric": TPR, "calibration": 0.02, "other": 0.015, "difference": 0.005}
    row |= {"low": -0.001, "high": 0.011, "p_value": 0.1, "calibration_samples": 64}
    text = differences.of_calibration(pd.DataFrame([row, {**row, "metric": "auc"}]))
    line = "| OBC 4 bits | adaptive | 2.00 | 1.50 | +0.50 [-0.10, +1.10] | 0.100 |\n"
    assert text.count("OBC") == text.count(line) == 1
    assert "64 members" in text
