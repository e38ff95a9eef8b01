"""Each rule on synthetic tables: the sentence must say what the interval bears out, and no more."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.attacks import metrics
from ptq_privacy.report import (
    attackers,
    cells,
    claims,
    conclusions,
    quoted,
    sentences,
    sweep,
    versus,
)
from ptq_privacy.report.claims import Measured
from ptq_privacy.report.sentences import Words, at_least, grouped, verdict

ATTACK, TPR = "lira_online_fixed", "tpr_at_fpr_0.001"
NAN = float("nan")


def compared(kind, adversary, rows, attack=ATTACK, metric=TPR, supported=True):
    """Rows (variant, estimate, low, high) of a table of comparisons."""
    table = pd.DataFrame(rows, columns=["variant", "estimate", "low", "high"])
    known = {"attack": attack, "metric": metric, "kind": kind, "adversary": adversary}
    return table.assign(**known, supported=supported)


EPSILON = {
    "epsilon_lower": 1.7369,
    "delta": 1e-5,
    "epsilon_promised": float("nan"),
    "chosen": "",
}


def summary(rows, metric=TPR, nonmembers=5000):
    """Rows (variant, adversary, low) of a summary."""
    table = pd.DataFrame(rows, columns=["variant", "adversary", f"{metric}_low"])
    for part, shift in (("mean", 0.01), ("high", 0.02)):
        table[f"{metric}_{part}"] = table[f"{metric}_low"] + shift
    table[f"{metric}_p_value"] = 1e-9
    return table.assign(attack=ATTACK, targets=18, nonmembers=nonmembers, **EPSILON)


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
        (0.001, 1.2, ""),
    ],
)
def test_a_bound_is_rounded_towards_zero(low, high, expected):
    assert at_least(low, high, 2) == expected


@given(st.floats(1e-6, 1e3), st.floats(0, 1e3), st.integers(0, 3), st.booleans())
def test_a_bound_never_says_more_than_the_interval(near, width, digits, negative):
    low, high = (-near - width, -near) if negative else (near, near + width)
    said = at_least(low, high, digits)
    bound = float(said or 0)
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
    words = Words("{who} leak{s} more", "{who} leak{s} less", "{who} {be} open", "{who}: unknown")
    assert grouped(rows, words, "points", 100, 2) == [
        "A leaks more, by at least 1.23 points.",
        "B leaks less, by at least 2.34 points.",
        "C and d are open; together their intervals reach from -0.20 to +0.40 points.",
        "E: unknown.",
    ]
    everywhere = rows.assign(low=-0.001, high=0.001)
    assert grouped(everywhere, words, "points", 100, 2) == [
        "All 5 variants are open; together their intervals reach from -0.10 to +0.10 points."
    ]
    assert grouped(everywhere[:1], words, "points", 100, 2) == [
        "A is open; its interval reaches from -0.10 to +0.10 points."
    ]


@pytest.mark.parametrize(
    ("lows", "highs", "expected"),
    [
        ([0.0123, 0.0456], [0.5, 0.5], "Both variants leak more, each by at least 1.23 points."),
        (
            [-0.5, -0.5],
            [-0.0456, -0.0199],
            "Both variants leak less, each by at least 1.99 points.",
        ),
        ([0.00001, 0.2], [0.5, 0.5], "Both variants leak more."),
    ],
)
def test_of_several_the_smallest_bound_is_told(lows, highs, expected):
    rows = pd.DataFrame({"name": ["a", "b"], "low": lows, "high": highs})
    words = Words("{who} leak{s} more", "{who} leak{s} less", "{who} {be} open")
    assert grouped(rows, words, "points", 100, 2) == [expected]


def test_one_point_is_singular():
    rows = pd.DataFrame({"name": ["a"], "low": [0.0101], "high": [0.2]})
    assert grouped(rows, Words("{who} keep{s} more", "", ""), "points", 100, 0) == [
        "A keeps more, by at least 1 point."
    ]


@pytest.mark.parametrize(
    ("names", "of", "expected"),
    [
        (["a"], 1, "a"),
        (["a"], 9, "a"),
        (["a", "b, head 8"], 9, "a and b with head 8"),
        (["a", "b", "c"], 9, "a, b and c"),
        (["a", "b", "c", "d"], 9, "4 of 9 variants"),
        (["a", "b"], 2, "both variants"),
        (["a", "b", "c"], 3, "all 3 variants"),
    ],
)
def test_few_variants_are_named_and_many_are_counted(names, of, expected):
    assert sentences.listed(names, of) == expected


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
            ("brecq-w4", "transfer", 0.007),
            ("brecq-w2", "transfer", 0.004),
            ("nearest-w2", "transfer", 0.001),
        ]
    )
    section = conclusions.leakage(table, measured, quoted.quoted(5000), ATTACK, 0.2, "transfer")
    assert section.sentences == (
        "Measured by LiRA online (fixed variance) on 18 targets: the TPR at 0.1 % FPR.",
        "To the transfer adversary, nearest 2 bits leaks more than full precision, by at least "
        "0.20 points.",
        "To the transfer adversary, BRECQ 2 bits leaks less than full precision, by at least 0.35 "
        "points.",
        "To the transfer adversary, BRECQ 4 bits is not distinguishable from full precision; its "
        "interval reaches from -0.10 to +0.10 points.",
        # A fifth of 1.80 % less 0.12 %.
        "To the transfer adversary, BRECQ 4 bits is equivalent to full precision within the "
        "study's margin, 20 % of what full precision leaks beyond chance or 0.34 points: at most "
        "0.10 more or less.",
        # Of 5,000 non-members five may be accused: guessing reaches 6 in 5,001.
        "To the transfer adversary, full precision, BRECQ 4 bits and BRECQ 2 bits are above "
        "chance, 0.12 %.",
        "To the transfer adversary, nearest 2 bits is not distinguishable from chance, 0.12 %.",
    )
    text = cells.markdown(section.table)
    assert "| BRECQ 2 bits | 1.40 [0.40, 2.40] | **-0.50 [-0.70, -0.35]** |" in text
    assert "| full precision | 1.80 [0.80, 2.80] | – |" in text
    assert "| BRECQ 4 bits | 1.70 [0.70, 2.70] | +0.00 [-0.10, +0.10] |" in text


def of_four(kind="against_full"):
    """Four adversaries of two variants; the informed one finds most at both."""
    rows = {"transfer": -0.4, "adaptive": -0.3, "informed": -0.2, "both": 0.01}
    both = [
        compared(kind, name, [(v, at, at - 0.02, at + 0.02) for v in ("obc-w2", "brecq-w2")])
        for name, at in rows.items()
    ]
    levels = [("full", "transfer", 0.5)]
    levels += [(v, name, 0.5 + at) for v in ("obc-w2", "brecq-w2") for name, at in rows.items()]
    return pd.concat(both), summary(levels)


def test_sentences_are_of_the_adversary_who_finds_most_alone_and_the_others_are_counted():
    table, measured = of_four()
    measure = quoted.quoted(5000)
    leading = attackers.leading(measured, measure, ATTACK)
    assert leading == "informed"
    alone = attackers.alone(table)
    said = conclusions.leakage(alone, measured, measure, ATTACK, 0.2, leading).sentences
    assert said[1:3] == (
        "Of the 3 adversaries who have a variant alone, the informed one finds most at 2 of 2 "
        "variants: here and below the sentences are of him, and the tables of all.",
        "To the informed adversary, both variants leak less than full precision, each by at least "
        "18.00 points.",
    )
    assert said[-1] == (
        "To the transfer and adaptive adversaries, 0 of 4 such differences are claimed to lie "
        "above zero and 4 below; the table has them."
    )
    assert not any("both adversary" in sentence for sentence in said)


def test_a_second_release_is_held_against_full_precision_alone():
    table, measured = of_four()
    section = conclusions.second_release(table, measured, quoted.quoted(5000), ATTACK, 0.2)
    assert section.sentences == (
        "Published beside full precision, both variants are not distinguishable from full "
        "precision alone; together their intervals reach from -1.00 to +3.00 points.",
        "Published beside full precision, both variants are equivalent to full precision alone "
        "within the study's margin, 20 % of what full precision leaks beyond chance or 10.18 "
        "points: at most 3.00 more or less.",
    )
    assert "| OBC 2 bits | +1.00 [-1.00, +3.00] |" in cells.markdown(section.table)


def test_where_all_have_full_precision_too_nothing_is_said_to_leak_alone():
    table, measured = of_four()
    measured = measured[(measured["variant"] == "full") | (measured["adversary"] == "both")]
    both = table[table["adversary"] == "both"]
    given = both, measured, quoted.quoted(5000), ATTACK, 0.2
    assert conclusions.leakage(*given, "both").sentences[1] == attackers.NONE_ALONE


def test_too_few_nonmembers_are_said_and_another_metric_is_spoken_of():
    table = compared("against_full", "transfer", [("brecq-w2", -0.01, -0.02, -0.005)], metric="auc")
    measured = summary([("full", "transfer", 0.55)], metric="auc", nonmembers=80)
    said = conclusions.leakage(
        table, measured, quoted.quoted(80), ATTACK, 0.2, "transfer"
    ).sentences
    assert said[0].endswith("on 18 targets: the AUC.")
    assert (
        said[1] == "80 non-members a target do not resolve 0.1 % FPR, which takes 1,000; hence AUC."
    )
    assert said[2].endswith("BRECQ 2 bits leaks less than full precision, by at least 0.005 AUC.")
    assert said[3] == "To the transfer adversary, full precision is above chance, 0.500."


@pytest.mark.parametrize(
    ("nonmembers", "metric", "guess"),
    [
        (1000, TPR, 100 * 2 / 1001),
        (999, "tpr_at_fpr_0.01", 100 * 10 / 1000),
        (100, "tpr_at_fpr_0.01", 100 * 2 / 101),
        (99, "auc", 0.5),
    ],
)
def test_the_lowest_rate_that_is_resolved_is_quoted_beside_what_guessing_reaches(
    nonmembers, metric, guess
):
    measure = quoted.quoted(nonmembers)
    assert measure.metric == metric
    assert quoted.guessing(measure, nonmembers) == pytest.approx(guess)


def test_guessing_is_what_a_blind_attack_reaches():
    generator, nonmembers = np.random.default_rng(0), 300
    member = np.arange(2 * nonmembers) < nonmembers
    found = [
        metrics.tpr_at_fpr(member, generator.normal(size=len(member)), 0.01) for _ in range(3000)
    ]
    expected = quoted.guessing(quoted.quoted(nonmembers), nonmembers)
    assert 100 * np.mean(found) == pytest.approx(expected, abs=4 * 100 * np.std(found) / 3000**0.5)


def test_adaptation_and_the_share_that_it_takes_back():
    table = pd.concat(
        [
            compared("against_transfer", "adaptive", [("brecq-w2", 0.002, 0.001, 0.003)]),
            compared("taken_back", "adaptive", [("brecq-w2", 0.4, 0.2567, 0.6)]),
            compared("against_transfer", "adaptive", [("obc-w2", 0.0, -0.001, 0.001)]),
            compared("taken_back", "adaptive", [("obc-w2", 0.0, -0.2, 0.2)]),
            compared("against_transfer", "adaptive", [("nearest-w2", 0.01, 0.005, 0.02)]),
            compared("taken_back", "adaptive", [("nearest-w2", NAN, NAN, NAN)]),
        ]
    )
    section = conclusions.adaptation(table, quoted.quoted(5000), [ATTACK])
    # A share has no p of its own, and so no q where claims are counted.
    q = [0.01, NAN, 0.9, NAN, 0.01, NAN]
    counted = table.assign(p_value=q, q_value=q)
    assert conclusions.adaptation(counted, quoted.quoted(5000), [ATTACK]).sentences == (
        section.sentences
    )
    assert section.sentences == (
        "LiRA online (fixed variance) finds more at BRECQ 2 bits and nearest 2 bits with shadow "
        "models quantized as the target is, each by at least 0.10 points.",
        "With LiRA online (fixed variance) no difference between the adaptive and the transfer "
        "adversary can be told at OBC 2 bits; its interval reaches from -0.10 to +0.10 points.",
        "Of the apparent gain in privacy at BRECQ 2 bits, adapting takes back a part, by at least "
        "25 % of it.",
    )
    assert "| nearest 2 bits | **+1.00 [+0.50, +2.00]** |  | – |" in cells.markdown(section.table)
    nothing = conclusions.adaptation(table.iloc[:0], quoted.quoted(5000), [ATTACK])
    assert nothing.sentences == (
        "The transfer and the adaptive adversary were not both run, so this cannot be told.",
    )
    assert nothing.table is None


def test_a_threshold_is_held_against_its_limit_and_a_call_has_a_worth():
    table = pd.DataFrame(
        {
            "attack": ATTACK,
            "fpr_limit": 0.001,
            "variant": ["full", "brecq-w2"],
            "adversary": "transfer",
            "fpr": [0.001, 0.003],
            "fpr_low": [0.0005, 0.002],
            "fpr_high": [0.0015, 0.004],
        }
    )
    for prior, share in (("0.5", 0.9), ("0.1", 0.5), ("0.01", 0.08)):
        for part, shift in (("", 0), ("_low", -0.05), ("_high", 0.05)):
            table[f"ppv_{prior}{part}"] = share + shift
    said = conclusions.worth(table, quoted.quoted(5000), ATTACK, "transfer").sentences
    assert said[0] == (
        "Set by the transfer adversary on shadow models for 0.1 % FPR, a threshold accuses more "
        "non-members than it should at BRECQ 2 bits, by at least 0.10 points."
    )
    assert "a share of non-members that is not distinguishable from that at full prec" in said[1]
    assert said[2] == (
        "Of those accused at full precision, members are: 90 % [85, 95] where 50 % are members, "
        "50 % [45, 55] where 10 % are members, 8 % [3, 13] where 1 % are members."
    )
    nobody = table.assign(**{name: float("nan") for name in table if name.startswith("ppv")})
    assert conclusions.worth(nobody, quoted.quoted(5000), ATTACK, "transfer").sentences[2] == (
        "In some network at full precision nobody is accused, so what an accusation is worth "
        "cannot be told."
    )
    assert conclusions.worth(None, quoted.quoted(5000), ATTACK, "transfer").sentences == (
        "There are too few shadow models to set a threshold on.",
    )


def test_attacks_are_compared_by_the_interval_of_their_difference():
    """Both intervals meet, and the difference is sure all the same, target by target."""
    generator = np.random.default_rng(0)
    ease = 0.01 * generator.normal(size=12)
    level = {"rmia_online": 0.042, "rmia_offline": 0.04}
    rows = [
        {"attack": attack, "shadow_models": size, "target": target, "replicate": replicate}
        | {TPR: level.get(attack, 0.04) + ease[target] + 0.0002 * generator.normal()}
        for attack in ("rmia_online", "rmia_offline", "lira_online_fixed", "lira_offline_fixed")
        for size in (2, 4)
        for replicate in range(20)
        for target in range(12)
    ]
    swept, measure = pd.DataFrame(rows), quoted.quoted(5000)
    apart = [
        sweep.intervals(swept[swept["attack"] == name], TPR).loc[2]
        for name in ("rmia_online", "lira_online_fixed")
    ]
    assert apart[0]["low"] < apart[1]["high"]
    section = versus.strength(swept, sweep.differences(swept, TPR), measure)
    first, second = section.sentences
    assert first.startswith(
        "RMIA online finds more than LiRA online (fixed variance) with both numbers of shadow "
        "models, each by at least 0.1"
    )
    assert second.startswith(
        "RMIA offline and LiRA offline (fixed variance) cannot be told apart with both numbers of "
        "shadow models; together their intervals reach from -0.0"
    )
    names = list(section.table.columns)
    assert names[1:4] == [
        "RMIA online",
        "LiRA online (fixed variance)",
        "RMIA online - LiRA online (fixed variance)",
    ]
    assert str(section.table.iloc[0, 3]).startswith("+0.2")
    nothing = versus.strength(swept, sweep.differences(swept.iloc[:0], TPR), measure)
    assert nothing.sentences == ("RMIA and LiRA were not both run, so this cannot be told.",)


def test_every_other_attack_is_held_against_the_headline():
    """Whichever of the two comes first in the table."""
    table = pd.concat(
        [
            compared("attack_minus_attack", "transfer", [("full", -0.01, -0.02, -0.005)]).assign(
                other="rmia_online"
            ),
            compared(
                "attack_minus_attack", "adaptive", [("obc-w2", -0.01, -0.03, -0.002)], "lira_online"
            ).assign(other=ATTACK),
            compared("attack_minus_attack", "adaptive", [("obc-w2", 0.9, 0.8, 1)], "a").assign(
                other="b"
            ),
        ]
    )
    section = versus.attacks(table, quoted.quoted(5000), ATTACK)
    title = "LiRA online (fixed variance)"
    assert section.sentences == (
        f"{title} is outdone by RMIA online at full precision (transfer), by at least 0.50 points.",
        f"{title} finds more than LiRA online at OBC 2 bits (adaptive), by at least 0.20 points.",
    )
    text = cells.markdown(section.table)
    assert (
        "| RMIA online at full precision (transfer) | RMIA online | **+1.00 [+0.50, +2.00]**"
        in text
    )


def test_methods_are_compared_at_equal_bits_and_at_equal_accuracy():
    rows = [
        ("4 bits", -0.001, -0.002, 0.001),
        ("2 bits", -0.005, -0.007, -0.0035),
        ("1 % accuracy lost", 0.005, 0.002, 0.01),
        ("5 % accuracy lost", NAN, NAN, NAN),
    ]
    table = pd.DataFrame(rows, columns=["at", "estimate", "low", "high"])
    known = {"method": "brecq", "other": "obc", "network": "digits, net", "metric": TPR}
    table = table.assign(**known, attack=ATTACK, adversary="adaptive")
    others = [table.assign(attack="rmia_online"), table.assign(metric="auc")]
    section = versus.methods(pd.concat([table, *others]), quoted.quoted(5000), ATTACK, "adaptive")
    bits, accuracy = (f"At equal {w}, to the adaptive adversary" for w in ("bits", "accuracy"))
    assert section.sentences == (
        f"{bits}, the first leaks less: BRECQ against OBC at 2 bits, by at least 0.35 points.",
        f"{bits}, no difference can be told: BRECQ against OBC at 4 bits; its interval reaches "
        "from -0.20 to +0.10 points.",
        f"{accuracy}, the first leaks more: BRECQ against OBC at 1 % accuracy lost, by at least "
        "0.20 points.",
        f"{accuracy}, 1 of 2 pairs cannot be compared: a method's variants do not reach that loss "
        "of accuracy.",
    )
    alone = versus.methods(table.iloc[:0], quoted.quoted(5000), ATTACK, "adaptive")
    assert alone.sentences == ("One method alone was run, so this cannot be told.",)


def test_without_compressions_full_precision_is_spoken_of():
    swept = pd.DataFrame({"attack": [ATTACK]})
    table = summary([("full", "transfer", 0.008)]).assign(targets=1)
    nothing = dict.fromkeys(("compared", "methods", "calibration", "thresholds"))
    strength = sweep.differences(swept, TPR)
    own = Measured(summary=table, exposed={}, swept=swept, strength=strength, **nothing)
    (measured,) = claims.weighed([own], [ATTACK])
    assert claims.count([measured]) == (1, 1)
    sections = conclusions.of_network(measured, [ATTACK], 0.2)
    assert sections[0].sentences == (
        "The study compresses nothing, so full precision stands alone.",
        "Measured by LiRA online (fixed variance) on 1 target: the TPR at 0.1 % FPR.",
        "To the transfer adversary, full precision is above chance, 0.12 %.",
    )
    assert len(sections) == 4


def test_many_comparisons_are_counted():
    said = sentences.chance(1260, 40)
    assert "looks at 1,260 differences" in said
    assert "about 63 of their 95 % intervals would exclude zero" in said
    assert "40 are, of which about 2 may be false" in said


def test_a_difference_that_does_not_stand_is_not_claimed_though_its_interval_excludes_zero():
    rows = pd.DataFrame({"name": ["a", "b"], "low": [0.01, 0.01], "high": [0.03, 0.03]})
    rows = rows.assign(estimate=0.02, p_value=[0.001, 0.04], q_value=[0.004, 0.08])
    words = Words("{who} more", "{who} less", "{who} open")
    assert grouped(rows, words, "points", 100, 2) == [
        "A more, by at least 1.00 points.",
        "B open; its interval reaches from +1.00 to +3.00 points.",
    ]
    measure = quoted.quoted(5000)
    shown = cells.measured(rows, measure, difference=True)
    assert [cells.text(cell).startswith("**") for cell in shown] == [True, False]
    assert cells.tested(rows).tolist() == ["0.001, 0.004", "0.040, 0.080"]


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_no_difference_is_claimed_where_zero_is_inside(a, b):
    low, high = sorted((a, b))
    rows = pd.DataFrame({"name": ["a"], "low": [low], "high": [high]})
    words = Words("more at {who}", "less at {who}", "open at {who}")
    (sentence,) = grouped(rows, words, "points", 100, 2)
    if low <= 0 <= high:
        assert sentence.startswith("Open")
    else:
        assert sentence.startswith("More" if low > 0 else "Less")
        assert not math.isnan(low)
