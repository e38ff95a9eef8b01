"""Paired differences against the same done by hand on files of planted targets."""

import numpy as np
import pytest

from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import comparisons, intervals, leakage
from ptq_privacy.measures.comparisons import Measured
from ptq_privacy.measures.intervals import Resampled

SEED = 4


def measured(shift, samples=240, targets=6, noise=0, attacks=1):
    """The same targets at a variant that leaks by `shift`."""
    generator = np.random.default_rng(0)
    member = generator.random((targets, samples)) < 0.5
    own = generator.normal(size=member.shape)
    other = np.random.default_rng(int(10 * noise) + 1).normal(size=member.shape)
    values = (own + noise * other) / np.hypot(1, noise) + shift * member
    each = {"a": values, "b": values - 0.5 * shift * member}
    found = dict(list(each.items())[:attacks])
    scores = Scores(tuple(range(targets)), np.zeros(samples, np.int16), member, found)
    values = leakage.values(scores, SEED)
    return Measured(leakage.tabulate(scores, values), values)


@pytest.fixture(scope="module")
def cells():
    return {
        ("full", "transfer"): measured(2.0),
        ("obc-w4", "transfer"): measured(1.0, noise=0.3),
        ("obc-w4", "adaptive"): measured(1.5, noise=0.3),
        ("nearest-w4", "transfer"): measured(2.0),
        ("nearest-w4", "adaptive"): measured(2.1),
    }


@pytest.fixture(scope="module")
def table(cells):
    table = comparisons.compare(cells)
    return table.set_index(["kind", "variant", "adversary", "metric"])


def each(cells, cell):
    """The targets' AUCs and the resampled ones, in one array."""
    own = cells[cell].values["a"]["auc"]
    return np.vstack([own.each, own.drawn])


def expected(differences):
    """`intervals.estimate` of a difference [1 + replicates, targets]."""
    return intervals.estimate(Resampled(differences[0], differences[1:]))


def test_a_difference_is_taken_target_by_target(cells, table):
    full = each(cells, ("full", "transfer"))
    for cell in (("obc-w4", "transfer"), ("obc-w4", "adaptive")):
        row = table.loc[("against_full", *cell, "auc")]
        own = each(cells, cell)
        found = expected(own - full)
        assert tuple(row[["estimate", "low", "high", "p_value"]]) == found
        assert row["estimate"] == pytest.approx(own[0].mean() - full[0].mean(), abs=1e-15)
        assert row["estimate"] < row["high"] < 0
    adaptive, transfer = (each(cells, ("obc-w4", name)) for name in ("adaptive", "transfer"))
    row = table.loc[("against_transfer", "obc-w4", "adaptive", "auc")]
    assert row["estimate"] == pytest.approx((adaptive - transfer)[0].mean(), abs=1e-15)
    # Samples and noise are shared: apart, the two vary more than their difference does.
    apart = sum((own.high - own.low) ** 2 for own in map(expected, (adaptive, transfer))) ** 0.5
    assert row["high"] - row["low"] < 0.5 * apart


def test_what_is_taken_back_is_the_share_of_the_gain(cells, table):
    row = table.loc[("taken_back", "obc-w4", "adaptive", "auc")]
    full, transfer, adaptive = (
        each(cells, cell)
        for cell in (("full", "transfer"), ("obc-w4", "transfer"), ("obc-w4", "adaptive"))
    )
    risen, gain = (adaptive - transfer)[0].mean(), (full - transfer)[0].mean()
    assert row["estimate"] == pytest.approx(risen / gain, abs=1e-12)
    apart = expected((adaptive - transfer - risen / gain * (full - transfer)) / gain)
    assert row["high"] - row["estimate"] == pytest.approx(apart.high, abs=1e-12)
    assert row["note"] == ""


def test_an_informed_attacker_takes_back_too_but_not_one_who_has_full_precision(cells):
    more = {("obc-w4", name): measured(1.8, noise=0.3) for name in ("informed", "both")}
    table = comparisons.compare(cells | more)
    own = table[(table["metric"] == "auc") & (table["variant"] == "obc-w4")]
    for kind in ("against_transfer", "taken_back"):
        assert own.loc[own["kind"] == kind, "adversary"].tolist() == ["adaptive", "informed"]
    row = own[(own["kind"] == "against_transfer") & (own["adversary"] == "informed")].iloc[0]
    informed, transfer = (each(cells | more, ("obc-w4", name)) for name in ("informed", "transfer"))
    assert tuple(row[["estimate", "low", "high", "p_value"]]) == expected(informed - transfer)


def test_without_a_gain_there_is_nothing_to_take_back(table):
    row = table.loc[("taken_back", "nearest-w4", "adaptive", "auc")]
    assert np.isnan(row[["estimate", "low", "high", "p_value"]].astype(float)).all()
    assert row["note"] == comparisons.NO_GAIN
    equal = table.loc[("against_full", "nearest-w4", "transfer", "auc")]
    assert (equal["estimate"], equal["p_value"]) == (0, 1)


def test_an_attack_is_compared_with_those_after_it_at_every_variant():
    both = {
        cell: measured(shift, attacks=2)
        for cell, shift in ((("full", "transfer"), 2.0), (("obc-w4", "transfer"), 1.0))
    }
    table = comparisons.compare(both)
    own = table[(table["kind"] == "attack_minus_attack") & (table["metric"] == "auc")]
    assert own[["attack", "other"]].drop_duplicates().to_numpy().tolist() == [["a", "b"]]
    assert own["variant"].tolist() == ["full", "obc-w4"]
    for row in own.to_dict("records"):
        values = both[row["variant"], "transfer"].values
        assert row["low"] == intervals.estimate(values["a"]["auc"].minus(values["b"]["auc"])).low
        assert row["low"] > 0


def test_an_attack_that_does_not_run_at_full_precision_is_held_against_the_others():
    own = {("full", "transfer"): measured(2.0), ("obc-w4", "both"): measured(1.0, attacks=2)}
    table = comparisons.compare(own)
    pairs = table[table["kind"] == "attack_minus_attack"]
    assert set(zip(pairs["attack"], pairs["other"], pairs["variant"], strict=True)) == {
        ("a", "b", "obc-w4")
    }
    assert set(table.loc[table["attack"] == "b", "kind"]) == set()


def test_it_says_what_the_nonmembers_cannot_resolve(table):
    supported = table["supported"].groupby("metric").first()
    assert not supported["tpr_at_fpr_0.001"]
    assert supported["tpr_at_fpr_0.01"]
    assert supported["auc"]


def test_files_of_other_targets_are_refused(cells):
    other = measured(1.0, targets=4)
    with pytest.raises(ValueError, match="not of the same targets"):
        comparisons.compare({**cells, ("obc-w4", "adaptive"): other})
    with pytest.raises(ValueError, match="full precision"):
        comparisons.compare({("obc-w4", "transfer"): other})


def test_one_adversary_has_no_other_to_be_compared_with(cells):
    alone = {cell: own for cell, own in cells.items() if cell[1] == "transfer"}
    assert set(comparisons.compare(alone)["kind"]) == {"against_full"}
