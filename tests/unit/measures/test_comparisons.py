"""Paired differences against the same done by hand on files of planted targets."""

import numpy as np
import pytest

from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import comparisons, intervals, leakage
from ptq_privacy.measures.comparisons import Measured

SEED, REPLICATES = 4, 60


def measured(shift, samples=240, targets=6, noise=0):
    """The same targets at a variant that leaks by `shift`."""
    generator = np.random.default_rng(0)
    member = generator.random((targets, samples)) < 0.5
    own = generator.normal(size=member.shape)
    other = np.random.default_rng(int(10 * noise) + 1).normal(size=member.shape)
    values = (own + noise * other) / np.hypot(1, noise) + shift * member
    scores = Scores(tuple(range(targets)), np.zeros(samples, np.int16), member, {"a": values})
    drawn = leakage.bootstrap(scores, SEED, REPLICATES)
    return Measured(leakage.tabulate(scores, drawn), leakage.as_table(drawn))


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


def mean(cells, cell):
    return cells[cell].leakage.set_index("attack").loc["a", "auc_mean"]


def drawn(cells, cell):
    return cells[cell].replicates["auc"].to_numpy()


def test_a_difference_is_taken_replicate_by_replicate(cells, table):
    for cell in (("obc-w4", "transfer"), ("obc-w4", "adaptive")):
        row = table.loc[("against_full", *cell, "auc")]
        full = ("full", "transfer")
        assert row["estimate"] == mean(cells, cell) - mean(cells, full)
        expected = drawn(cells, cell) - drawn(cells, full)
        np.testing.assert_array_equal(row[["low", "high"]], np.percentile(expected, [2.5, 97.5]))
        assert row["estimate"] < row["high"] < 0
        assert row["p_value"] == 2 / (REPLICATES + 1)
    adaptive, transfer = ("obc-w4", "adaptive"), ("obc-w4", "transfer")
    row = table.loc[("adaptive_minus_transfer", "obc-w4", "both", "auc")]
    assert row["estimate"] == mean(cells, adaptive) - mean(cells, transfer)
    # Samples and noise are shared: apart, the two vary more than their difference does.
    spread = np.sqrt(drawn(cells, adaptive).var() + drawn(cells, transfer).var())
    assert row["high"] - row["low"] < 0.5 * 3.92 * spread


def test_what_is_taken_back_is_the_share_of_the_gain(cells, table):
    row = table.loc[("taken_back", "obc-w4", "both", "auc")]
    full, transfer, adaptive = (
        (mean(cells, cell), drawn(cells, cell))
        for cell in (("full", "transfer"), ("obc-w4", "transfer"), ("obc-w4", "adaptive"))
    )
    share, shares = ((adaptive[k] - transfer[k]) / (full[k] - transfer[k]) for k in (0, 1))
    assert row["estimate"] == share
    np.testing.assert_array_equal(row[["low", "high"]], np.percentile(shares, [2.5, 97.5]))
    assert row["note"] == ""


def test_without_a_gain_there_is_nothing_to_take_back(table):
    row = table.loc[("taken_back", "nearest-w4", "both", "auc")]
    assert np.isnan(row[["estimate", "low", "high", "p_value"]].astype(float)).all()
    assert row["note"] == comparisons.NO_GAIN
    equal = table.loc[("against_full", "nearest-w4", "transfer", "auc")]
    assert (equal["estimate"], equal["p_value"]) == (0, 1)


def test_it_says_what_the_nonmembers_cannot_resolve(table):
    supported = table["supported"].groupby("metric").first()
    assert not supported["tpr_at_fpr_0.001"]
    assert supported["tpr_at_fpr_0.01"]
    assert supported["auc"]


def test_files_that_were_not_resampled_alike_are_refused(cells):
    other = measured(1.0, targets=4)
    with pytest.raises(ValueError, match="not of the same targets"):
        comparisons.compare({**cells, ("obc-w4", "adaptive"): other})
    fewer = Measured(other.leakage, other.replicates[:-1])
    with pytest.raises(ValueError, match="do not hold the same replicates"):
        comparisons.compare({**cells, ("obc-w4", "adaptive"): fewer})
    with pytest.raises(ValueError, match="full precision"):
        comparisons.compare({("obc-w4", "transfer"): other})


def test_one_adversary_has_no_other_to_be_compared_with(cells):
    alone = {cell: own for cell, own in cells.items() if cell[1] == "transfer"}
    assert set(comparisons.compare(alone)["kind"]) == {"against_full"}


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        (np.ones(99), 2 / 100),
        (-np.ones(99), 2 / 100),
        (np.zeros(99), 1),
        (np.r_[np.full(9, -1.0), np.ones(90)], 20 / 100),
        (np.array([np.nan, 1.0]), np.nan),
    ],
)
def test_the_p_value_counts_the_rarer_side(differences, expected):
    assert intervals.p_value(differences) == pytest.approx(expected, nan_ok=True)


def test_p_values_under_no_difference_are_not_too_small():
    """Two variants equally leaky but for noise: p below 0.1 in about a tenth of studies."""
    small, studies = 0, 60
    for seed in range(studies):
        generator = np.random.default_rng(seed)
        member = generator.random((8, 100)) < 0.5
        each = []
        for _ in range(2):
            values = {"a": generator.normal(size=member.shape) + member}
            scores = Scores(tuple(range(8)), np.zeros(100, np.int16), member, values)
            each.append(leakage.bootstrap(scores, seed, 40)["a"]["auc"])
        small += intervals.p_value(each[0] - each[1]) < 0.1
    assert small <= 0.2 * studies
