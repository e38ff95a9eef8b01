"""A card's choices on small tables: which adversary, which variant is proposed, what is claimed."""

import pandas as pd
import pytest

from ptq_privacy.report import attackers, cards

ATTACK, METRIC = "lira_online_fixed", "tpr_at_fpr_0.01"
FULL = ("full", "transfer", 0.976, 32.0, (0.05, 0.04, 0.06))
ROWS = [
    FULL,
    ("brecq-w4", "transfer", 0.975, 4.7, (0.048, 0.038, 0.06)),
    ("brecq-w4", "adaptive", 0.975, 4.7, (0.049, 0.039, 0.06)),
    ("brecq-w2", "transfer", 0.970, 2.7, (0.025, 0.02, 0.03)),
    ("brecq-w2", "adaptive", 0.970, 2.7, (0.02, 0.015, 0.025)),
    ("obc-w2", "transfer", 0.960, 2.7, (0.026, 0.005, 0.04)),
    ("obc-w2", "adaptive", 0.960, 2.7, (0.021, 0.005, 0.04)),
    ("nearest-w2", "transfer", 0.300, 2.7, (0.011, 0.008, 0.015)),
    ("nearest-w2", "adaptive", 0.300, 2.7, (0.010, 0.008, 0.014)),
]


def summary(rows=ROWS, attack=ATTACK, nonmembers=750, metric=METRIC):
    table = pd.DataFrame(
        {
            "dataset": "digits",
            "network": "resnet6",
            "attack": attack,
            "variant": [row[0] for row in rows],
            "adversary": [row[1] for row in rows],
            "test_accuracy_mean": [row[2] for row in rows],
            "bits_per_weight": [row[3] for row in rows],
            "targets": 18,
            "shadow_models": 16,
            "members": nonmembers,
            "nonmembers": nonmembers,
            "epsilon_lower": 1.7369,
            "epsilon_promised": float("nan"),
            "delta": 1e-5,
            "chosen": "",
        }
    )
    for place, part in enumerate(("mean", "low", "high")):
        table[f"{metric}_{part}"] = [row[4][place] for row in rows]
    return table


def compared(metric=METRIC):
    """Told apart from full precision, and less: BRECQ at 2 bits, nearest, and OBC if adaptive."""
    rows = [
        ("brecq-w4", "transfer", -0.01, 0.01),
        ("brecq-w4", "adaptive", -0.01, 0.01),
        ("brecq-w2", "transfer", -0.04, -0.01),
        ("brecq-w2", "adaptive", -0.04, -0.02),
        ("obc-w2", "transfer", -0.04, 0.001),
        ("obc-w2", "adaptive", -0.04, -0.001),
        ("nearest-w2", "transfer", -0.05, -0.03),
        ("nearest-w2", "adaptive", -0.05, -0.03),
    ]
    table = pd.DataFrame(rows, columns=["variant", "adversary", "low", "high"])
    table = table.assign(kind="against_full", attack=ATTACK, metric=metric)
    other = table.assign(attack="rmia_online", low=-1.0, high=-0.9)
    return pd.concat([table, other, table.assign(metric="auc", low=-1.0, high=-0.9)])


def exposed(share):
    row = {"statistic": "kept", "variant": "brecq-w2", "group": "all", "fpr": 0.01}
    row |= {"estimate": share, "low": share - 0.1, "high": share + 0.1}
    return pd.DataFrame([row, {**row, "group": "top_1%", "estimate": 9}, {**row, "fpr": 0.001}])


EXPOSED = {"transfer": exposed(0.4), "adaptive": exposed(0.3)}


def made(table=None, **changes):
    given = {"summary": summary() if table is None else table, "compared": compared()}
    return cards.card(**{**given, "exposed": EXPOSED, "attack": ATTACK, **changes})


def test_each_variant_stands_under_the_adversary_who_finds_most():
    card = made()
    assert [(line.name, line.adversary) for line in card.lines] == [
        ("full precision", "transfer"),
        ("BRECQ 4 bits", "adaptive"),
        ("BRECQ 2 bits", "transfer"),
        ("OBC 2 bits", "transfer"),
        ("nearest 2 bits", "transfer"),
    ]
    brecq = card.lines[2]
    assert str(brecq.leak) == "2.50 [2.00, 3.00]"
    assert str(brecq.kept) == "40 [30, 50]"
    assert brecq.lost == pytest.approx(0.6)
    assert not card.lines[3].kept.known


def test_what_is_told_apart_is_told_of_that_adversary():
    lines = made().lines
    assert [line.below_full for line in lines] == [False, False, True, False, True]
    # Guessing reaches (7 + 1) / 751: above 1 %.
    assert [line.above_chance for line in lines] == [True, True, True, False, False]


def test_the_best_are_beaten_by_none_and_have_not_collapsed():
    assert [line.best for line in made().lines] == [True, True, True, False, False]


def test_full_precision_is_said_first_with_its_interval_and_guessing():
    card = made()
    assert card.answer == (
        "of the training samples are named at full precision by LiRA online (fixed variance), 95 % "
        "interval [4.00, 6.00], where it accuses 1 % of the others wrongly. Guessing names 1.07 %."
    )
    weak = summary([("full", "transfer", 0.9, 32.0, (0.012, 0.008, 0.02)), *ROWS[1:]])
    assert made(weak).answer.endswith("1.07 %, from which this is not distinguishable.")


def test_the_least_leaking_is_proposed_among_those_that_can_be_afforded():
    assert made().remarks[0] == (
        "Of the variants that lose at most 1 point of accuracy, BRECQ 2 bits leaks least: 2.50 % "
        "[2.00, 3.00], 40 % [30, 50] of what full precision leaks, at 2.70 bits a weight."
    )
    only = [row for row in ROWS if row[0] in ("full", "brecq-w4")]
    assert (
        made(summary(only))
        .remarks[0]
        .endswith("at 4.70 bits a weight; whether that is less than full precision is not told.")
    )
    only = [row for row in ROWS if row[0] in ("full", "obc-w2", "nearest-w2")]
    assert made(summary(only)).remarks[0] == (
        "Every variant loses more than 1 point of accuracy; OBC 2 bits loses least, 1.60, and "
        "leaks 2.60 % [0.50, 4.00]."
    )


def against_others(low):
    """The second attack less the headline's, at a variant to an adversary, at least so much."""
    row = {"kind": "attack_minus_attack", "attack": ATTACK, "other": "rmia_online"}
    row |= {"variant": "brecq-w2", "adversary": "adaptive", "metric": METRIC}
    return pd.concat(
        [compared(), pd.DataFrame([{**row, "estimate": -low, "low": -1.0, "high": -low}])]
    )


def test_an_attack_that_is_told_to_find_more_is_named():
    assert made().remarks[1] == "No other attack was run."
    two = pd.concat([summary(), summary(attack="rmia_online")], ignore_index=True)
    assert made(two, compared=against_others(-0.01)).remarks[1] == (
        "Of the 2 attacks that were run, none is told to find more than LiRA online (fixed "
        "variance) at any variant to any adversary."
    )
    assert made(two, compared=against_others(0.0061)).remarks[1] == (
        "Of the 2 attacks that were run, another finds more than LiRA online (fixed variance) at 1 "
        "of 1 variants, by most at BRECQ 2 bits: RMIA online, adaptive, by at least 0.61 points."
    )


def beside_full(low, high):
    """Whoever has full precision too finds 5 % at every variant."""
    rows = [*ROWS, ("brecq-w2", "both", 0.970, 2.7, (0.051, 0.04, 0.06))]
    row = {"kind": "against_full", "attack": ATTACK, "metric": METRIC, "variant": "brecq-w2"}
    row |= {"adversary": "both", "estimate": 0.001, "low": low, "high": high}
    table = pd.concat([compared(), pd.DataFrame([row])])
    return made(summary(rows), compared=table, exposed={**EXPOSED, "both": exposed(1.0)})


def test_a_variant_stands_for_what_it_leaks_alone_and_for_what_it_adds():
    card = beside_full(-0.002, 0.004)
    assert (card.lines[2].adversary, card.lines[2].leak.value) == ("transfer", 2.5)
    assert str(card.lines[2].added) == "+0.10 [-0.20, +0.40]"
    assert not card.lines[0].added.known
    assert card.remarks[1] == (
        "Where full precision is published as well, more than it gives away alone is told at 0 of "
        "1 variant; the intervals of the difference reach from -0.20 to +0.40 points."
    )
    assert "told at 1 of 1 variant;" in beside_full(0.001, 0.004).remarks[1]
    both = summary([FULL, ("brecq-w2", "both", 0.970, 2.7, (0.051, 0.04, 0.06))])
    alone = made(both, exposed={"transfer": exposed(0.4), "both": exposed(1.0)})
    assert [line.adversary for line in alone.lines] == ["transfer", "both"]
    assert alone.remarks[1] == attackers.NONE_ALONE


def test_the_attack_that_was_chosen_is_named():
    chosen = "lira_moderated, compressed (10); rmia_online, full shadow models (5); lira_moderated,"
    table = summary().assign(chosen=[f"{chosen} full shadow models (3)", *["lira_moderated"] * 8])
    card = made(table)
    assert card.answer.startswith(
        "of the training samples are named at full precision by LiRA online (fixed variance) at "
        "hand (moderated LiRA (13 of 18), RMIA online (5)), 95 % interval"
    )
    assert card.lines[1].by == "moderated LiRA"


def test_few_nonmembers_are_said_and_the_auc_is_spoken_of():
    rows = [(*row[:4], tuple(0.5 + value for value in row[4])) for row in ROWS]
    card = made(summary(rows, nonmembers=80, metric="auc"), compared=compared("auc"))
    assert card.answer == (
        "At full precision LiRA online (fixed variance) tells training samples from others with an "
        "AUC of 0.550 [0.540, 0.560]; guessing reaches 0.500."
    )
    assert (
        card.remarks[-1]
        == "80 non-members a target do not resolve 0.1 % FPR, which takes 1,000; hence AUC."
    )
    assert not any(line.kept.known for line in card.lines)


def test_where_nothing_is_compressed_full_precision_stands_alone():
    card = made(summary([FULL]), compared=None)
    assert [line.name for line in card.lines] == ["full precision"]
    assert card.remarks[0] == "No other attack was run."
