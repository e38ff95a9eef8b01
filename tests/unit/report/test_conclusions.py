"""Each rule on synthetic tables: the sentence must say what the interval bears out, and no more."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.report import conclusions, sentences
from ptq_privacy.report.sentences import Words, at_least, grouped, verdict

ATTACK, TPR = "lira_online_fixed", "tpr_at_fpr_0.001"
NAN = float("nan")


def compared(kind, adversary, rows, attack=ATTACK, metric=TPR, supported=True):
    """Rows (variant, estimate, low, high) of a table of comparisons."""
    table = pd.DataFrame(rows, columns=["variant", "estimate", "low", "high"])
    known = {"attack": attack, "metric": metric, "kind": kind, "adversary": adversary}
    return table.assign(**known, supported=supported)


def summary(rows, metric=TPR, nonmembers=5000):
    """Rows (variant, adversary, low) of a summary."""
    table = pd.DataFrame(rows, columns=["variant", "adversary", f"{metric}_low"])
    return table.assign(attack=ATTACK, targets=18, nonmembers=nonmembers)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.2, "higher"),
        (-0.2, -0.1, "lower"),
        (-0.1, 0.2, "open"),
        (0.0, 0.2, "open"),
        (-0.2, 0.0, "open"),
        (NAN, NAN, "unknown"),
    ],
)
def test_a_sign_is_told_only_where_zero_lies_outside(low, high, expected):
    assert verdict(low, high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.70, -0.35, "0.35"),
        (-0.70, -0.359, "0.35"),
        (0.299, 1.2, "0.29"),
        (0.29, 1.2, "0.29"),
        (0.001, 1.2, "just above 0"),
    ],
)
def test_a_bound_is_rounded_towards_zero(low, high, expected):
    assert at_least(low, high, 2) == expected


@given(st.floats(1e-6, 1e3), st.floats(0, 1e3), st.integers(0, 3), st.booleans())
def test_a_bound_never_says_more_than_the_interval(near, width, digits, negative):
    low, high = (-near - width, -near) if negative else (near, near + width)
    said = at_least(low, high, digits)
    bound = 0.0 if said == "just above 0" else float(said)
    assert bound <= near * (1 + 1e-9) + 1e-9
    assert near - bound <= 10**-digits * (1 + 1e-9)


def test_each_verdict_has_its_sentence():
    rows = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d", "e"],
            "low": [0.0123, -0.05, -0.002, -0.001, NAN],
            "high": [0.03, -0.0234, 0.004, 0.001, NAN],
        }
    )
    words = Words("More", "Less", "Open", "Unknown")
    assert grouped(rows, words, "points", 100, 2) == [
        "More, by at least the points in brackets: a (1.23).",
        "Less, by at least the points in brackets: b (2.34).",
        "Open: c; d. Together their intervals reach from -0.20 to +0.40 points.",
        "Unknown: e.",
    ]
    everywhere = rows.assign(low=-0.001, high=0.001)
    assert grouped(everywhere, words, "points", 100, 2) == [
        "Open: all 5 variants. Together their intervals reach from -0.10 to +0.10 points."
    ]


def test_leakage_against_full_precision_and_chance():
    table = compared(
        "against_full",
        "transfer",
        [
            ("brecq-w4", 0.0, -0.001, 0.001),
            ("brecq-w2", -0.005, -0.007, -0.0035),
            ("nearest-w2", 0.005, 0.002, 0.01),
        ],
    )
    measured = summary(
        [
            ("full", "transfer", 0.008),
            ("brecq-w2", "transfer", 0.004),
            ("nearest-w2", "transfer", 0.001),
        ]
    )
    said = conclusions.leakage(table, measured, TPR, ATTACK).sentences
    assert said == (
        "Measured by LiRA online (fixed variance) on 18 targets: TPR at 0.1 % FPR.",
        "To the transfer adversary, leaks more than full precision, by at least the points in "
        "brackets: nearest 2 bits (0.20).",
        "To the transfer adversary, leaks less than full precision, by at least the points in "
        "brackets: BRECQ 2 bits (0.35).",
        "To the transfer adversary, not distinguishable from full precision: BRECQ 4 bits. "
        "Together their intervals reach from -0.10 to +0.10 points.",
        "To the transfer adversary, above chance (the interval of the TPR at 0.1 % FPR lies above "
        "0.1 %): full precision; BRECQ 2 bits.",
        "To the transfer adversary, not distinguishable from chance (the interval reaches 0.1 %): "
        "nearest 2 bits.",
    )


def test_too_few_nonmembers_are_said_and_another_metric_is_spoken_of():
    rows = [("brecq-w2", -0.01, -0.02, -0.005)]
    tables = [
        compared("against_full", "transfer", rows, supported=False),
        compared("against_full", "transfer", rows, metric="tpr_at_fpr_0.01", supported=False),
        compared("against_full", "transfer", rows, metric="auc"),
    ]
    table = pd.concat(tables)
    metric = conclusions.usable_metric(table)
    assert metric == "auc"
    assert conclusions.usable_metric(pd.concat([tables[2], tables[1]])) == "auc"
    measured = summary([("full", "transfer", 0.55)], metric="auc", nonmembers=80)
    said = conclusions.leakage(table[table["metric"] == "auc"], measured, metric, ATTACK).sentences
    assert said[1].startswith("With 80 non-members a target there are too few non-members to tell")
    assert "leaks less than full precision, by at least the units in brackets" in said[2]
    assert said[2].endswith("BRECQ 2 bits (0.005).")


def test_adaptation_and_the_share_that_it_takes_back():
    table = pd.concat(
        [
            compared("adaptive_minus_transfer", "both", [("brecq-w2", 0.002, 0.001, 0.003)]),
            compared("taken_back", "both", [("brecq-w2", 0.4, 0.2567, 0.6)]),
            compared("adaptive_minus_transfer", "both", [("obc-w2", 0.0, -0.001, 0.001)]),
            compared("taken_back", "both", [("obc-w2", 0.0, -0.2, 0.2)]),
            compared("adaptive_minus_transfer", "both", [("nearest-w2", 0.01, 0.005, 0.02)]),
            compared("taken_back", "both", [("nearest-w2", NAN, NAN, NAN)]),
        ]
    )
    assert conclusions.adaptation(table, TPR, [ATTACK]).sentences == (
        "LiRA online (fixed variance) finds more with shadow models quantized as the target is, by "
        "at least the points in brackets: BRECQ 2 bits (0.10); nearest 2 bits (0.50).",
        "No difference between the adversaries can be told for LiRA online (fixed variance): "
        "OBC 2 bits. Together their intervals reach from -0.10 to +0.10 points.",
        "Of the apparent gain in privacy, adapting takes back at least the share in brackets, with "
        "LiRA online (fixed variance): BRECQ 2 bits (25 %).",
    )
    nothing = conclusions.adaptation(table.iloc[:0], TPR, [ATTACK]).sentences
    assert nothing == ("One adversary alone was run, so this cannot be told.",)


def test_outliers_are_compared_with_the_others():
    rows = [("brecq-w2", 0.10, 0.30), ("obc-w2", -0.30, -0.10), ("nearest-w2", NAN, NAN)]
    table = pd.DataFrame(rows, columns=["variant", "low", "high"])
    table = table.assign(statistic="kept_top_minus_other", fpr=0.01)
    other = table.assign(fpr=0.001, low=0.5, high=0.6)
    said = conclusions.outliers({"transfer": pd.concat([table, other])}).sentences
    assert len(said) == 3
    assert "protects them less, by at least the points in brackets: BRECQ 2 bits (10)." in said[0]
    assert "protects them more, by at least the points in brackets: OBC 2 bits (10)." in said[1]
    assert said[2].startswith("Could not be told")


def test_calibration_samples_are_compared_with_other_members():
    table = pd.DataFrame(
        {
            "metric": TPR,
            "adversary": "adaptive",
            "variant": ["brecq-w2", "obc-w2"],
            "low": [0.001, -0.002],
            "high": [0.004, 0.002],
            "supported": True,
        }
    )
    said = conclusions.calibrated(table).sentences
    assert said[0].endswith("points in brackets: BRECQ 2 bits (0.10).")
    assert "no difference between calibration samples and other members can be told" in said[1]


def test_a_threshold_is_held_against_its_limit_and_a_call_has_a_worth():
    table = pd.DataFrame(
        {
            "attack": ATTACK,
            "fpr_limit": 0.001,
            "variant": ["full", "brecq-w2"],
            "adversary": "transfer",
            "fpr_low": [0.0005, 0.002],
            "fpr_high": [0.0015, 0.004],
        }
    )
    for prior, share in (("0.5", 0.9), ("0.1", 0.5), ("0.01", 0.08)):
        for part, shift in (("", 0), ("_low", -0.05), ("_high", 0.05)):
            table[f"ppv_{prior}{part}"] = share + shift
    said = conclusions.worth(table, TPR, ATTACK).sentences
    assert "accuses more non-members than it should" in said[0]
    assert said[0].endswith("BRECQ 2 bits (0.10).")
    assert "cannot be told from that: full precision." in said[1]
    assert said[2] == (
        "Of those accused at full precision, members are: 90 % [85, 95] where 50 % are members, "
        "50 % [45, 55] where 10 % are members, 8 % [3, 13] where 1 % are members."
    )
    assert conclusions.worth(None, TPR, ATTACK).sentences == (
        "There are too few shadow models to set a threshold on.",
    )


def test_attacks_differ_only_where_their_intervals_do_not_meet():
    generator = np.random.default_rng(0)
    level = {"rmia_online": 0.02, "rmia_offline": 0.01}
    rows = [
        {"attack": attack, "shadow_models": size, "target": target, "draw": 0}
        | {TPR: level.get(attack, 0.01) + 0.001 * generator.normal()}
        for attack in ("rmia_online", "rmia_offline", "lira_online_fixed", "lira_offline_fixed")
        for size in (2, 4)
        for target in range(12)
    ]
    said = conclusions.strength(pd.DataFrame(rows)).sentences
    assert said[0].startswith("RMIA online finds more than LiRA online (fixed variance) with shad")
    assert "2 (2." in said[0]
    assert "RMIA offline and LiRA offline (fixed variance) cannot be told apart" in said[1]
    assert len(said) == 2


def test_one_target_tells_no_attack_from_another():
    rows = [
        {"attack": attack, "shadow_models": 2, "target": 0, "draw": 0, TPR: tpr}
        for attack, tpr in (("rmia_online", 0.06), ("lira_online_fixed", 0.03))
    ]
    assert conclusions.strength(pd.DataFrame(rows)).sentences == (
        "One target has no interval over targets, so this cannot be told.",
    )


def test_without_compressions_full_precision_is_spoken_of():
    swept = pd.DataFrame({"attack": [ATTACK]})
    measured = summary([("full", "transfer", 0.008)]).assign(targets=1)
    sections = conclusions.of_network(measured, None, {}, None, swept, None, [ATTACK])
    assert sections[0].sentences == (
        "The study compresses nothing, so this page speaks of full precision alone.",
        "Measured by LiRA online (fixed variance) on 1 target: TPR at 0.1 % FPR.",
        "To the transfer adversary, above chance (the interval of the TPR at 0.1 % FPR lies above "
        "0.1 %): full precision.",
    )
    assert len(sections) == 3


def test_many_comparisons_are_counted():
    table = pd.DataFrame({"low": [0.1, -0.2, -0.1, NAN], "high": [0.2, -0.1, 0.1, NAN]})
    looked, found = sentences.claims([table] * 20)
    assert (looked, found) == (60, 40)
    said = sentences.chance(looked, found)
    assert "60 differences" in said
    assert "40 of them exclude zero" in said
    assert "about 3 would do so by chance" in said


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_no_difference_is_claimed_where_zero_is_inside(a, b):
    low, high = sorted((a, b))
    rows = pd.DataFrame({"name": ["a"], "low": [low], "high": [high]})
    (sentence,) = grouped(rows, Words("More", "Less", "Open"), "points", 100, 2)
    if low <= 0 <= high:
        assert sentence.startswith("Open")
    else:
        assert sentence.startswith("More" if low > 0 else "Less")
        assert not math.isnan(low)
