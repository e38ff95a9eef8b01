"""Thresholds from stand-ins: by the slow way, never from the target, and what they give."""

import numpy as np
import pytest
from scipy import stats

from ptq_privacy import attacks
from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import CompactBlock
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.data import membership
from ptq_privacy.files import scores as score_files
from ptq_privacy.files import tables
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import thresholds
from ptq_privacy.stages.calibrate_thresholds import calibrate_thresholds

ATTACKS = {"lira": {}, "global_threshold": {}, "rmia": {"gamma": 2.0, "a": 0.4}}


def pool(models=8, samples=500, effect=1.0, seed=0):
    generator = np.random.default_rng(seed)
    member = membership.draw(samples, models, seed)
    phi = generator.normal(size=(models, samples, 1)) + generator.normal(size=(samples, 1))
    return phi + effect * member[..., None], member


def scored(phi, member, targets):
    return attacks.score(ATTACKS, Evidence.of(phi[targets], phi, member, targets))


def calibrated(phi, member, targets):
    return thresholds.calibrate(Evidence.of(phi[targets], phi, member, targets), ATTACKS)


@pytest.mark.parametrize("most", [thresholds.STAND_INS, 4])
def test_a_threshold_is_that_of_all_stand_ins_together(monkeypatch, most):
    monkeypatch.setattr(thresholds, "STAND_INS", most)
    phi, member = pool()
    found = calibrated(phi, member, [0, 1, 4])
    assert list(found) == list(scored(phi, member, [0]))
    for row, pair in enumerate((0, 0, 2)):
        others = [m for m in range(8) if m // 2 != pair]
        outside = {"lira_online": [], "rmia_offline": [], "global_threshold": []}
        tried = range(min(len(others), most))
        for place in tried:
            scores = scored(phi[others], member[others], [place])
            for attack, values in outside.items():
                values += scores[attack][0][~member[others[place]]].tolist()
        for attack, values in outside.items():
            ordered = np.sort(values)[::-1]
            for k, rate in enumerate((0.001, 0.01)):
                allowed = int(rate * 250 * len(tried))
                assert found[attack][row, k] == pytest.approx(ordered[allowed], abs=1e-12)


def test_nothing_of_the_target_enters():
    phi, member = pool()
    before = calibrated(phi, member, [2])
    phi[2:4] = np.random.default_rng(9).normal(size=phi[2:4].shape) * 50
    after = calibrated(phi, member, [2])
    for attack in before:
        np.testing.assert_array_equal(before[attack], after[attack])


def test_a_choice_among_attacks_has_the_threshold_of_the_one_that_was_chosen():
    phi, member = pool()
    evidence = Evidence.of(phi[:3], phi, member, [0, 1, 2])
    names = ["lira_online", "rmia_offline", "global_threshold"]
    limits = thresholds.calibrate(evidence, {**ATTACKS, "strongest": {}}, ["lira_online"], names)
    assert set(limits) == set(names)
    found = thresholds.of_chosen(limits, {"strongest": names})["strongest"]
    plain = thresholds.calibrate(evidence, ATTACKS)
    for row, name in enumerate(names):
        np.testing.assert_array_equal(found[row], plain[name][row])


def test_every_variant_has_the_thresholds_of_its_own_choice(tmp_path):
    """To the transfer adversary all variants have the same stand-ins, but not the same choice."""
    phi, member = pool()
    label = np.zeros(member.shape[1], np.int16)
    for variant, shift in (("full", 0.0), ("nearest-w4", 0.1), ("nearest-w2", 0.3)):
        blocks = [
            CompactBlock(m, 0, label, member[m], phi[m, :, 0] + shift, phi[m, :, 0] > 0)
            for m in range(len(phi))
        ]
        logits.write(tmp_path / variant, blocks, None, {})
    chosen = {"nearest-w4": ["lira_online"] * 4, "nearest-w2": ["global_threshold"] * 4}
    cells = [{"variant": variant, "adversary": "transfer"} for variant in chosen]
    columns = scored(phi, member, range(4))
    for variant, names in chosen.items():
        own = columns | {"strongest": np.stack([columns[n][t] for t, n in enumerate(names)])}
        place, known = tmp_path / f"{variant}-scores", (range(4), label)
        score_files.write(place, *known, member[:4], own, None, {"strongest": names})
    calibrate_thresholds(
        [tmp_path / f"{variant}-scores" for variant in chosen],
        {name: [tmp_path / name] for name in ("full", *chosen)},
        tmp_path / "thresholds",
        cells,
        targets=4,
        models=8,
        attacks={**ATTACKS, "strongest": {}},
        seed=0,
    )
    table = tables.read_frame(tmp_path / "thresholds")
    table = table.set_index(["variant", "attack", "fpr_limit"])["threshold_mean"]
    for variant, names in chosen.items():
        for limit in (0.001, 0.01):
            expected = table[variant, names[0], limit]
            assert table[variant, "strongest", limit] == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 9), (0.1, 8), (0.19, 8), (0.3, 6), (0.999, 0), (1.0, 0)]
)
def test_at_most_the_share_lies_above(share, expected):
    values = np.random.default_rng(0).permutation(10).astype(float)
    assert thresholds.highest_but(values, share) == expected
    assert (values > expected).mean() <= share


def test_rates_and_predictive_values_are_those_counted():
    generator = np.random.default_rng(0)
    member = generator.random((4, 300)) < 0.5
    score = generator.normal(size=member.shape) + member
    scores = Scores((0, 1, 2, 3), np.zeros(300, np.int16), member, {"a": score})
    limits = np.array([[2.0, 1.0], [2.1, 1.1], [2.2, 0.9], [2.0, 1.2]])
    table = thresholds.evaluate(scores, {"a": limits}, 0).set_index("fpr_limit")
    for k, limit in enumerate((0.001, 0.01)):
        called = score > limits[:, [k]]
        fpr, tpr = (
            np.mean([c[m].mean() for c, m in zip(called, side, strict=True)])
            for side in (~member, member)
        )
        row = table.loc[limit]
        assert row["fpr"] == pytest.approx(fpr, abs=1e-12)
        assert row["tpr"] == pytest.approx(tpr, abs=1e-12)
        for prior in (0.5, 0.1, 0.01):
            # So many members and non-members in a thousand, so many of each called.
            right, wrong = 1000 * prior * tpr, 1000 * (1 - prior) * fpr
            assert row[f"ppv_{prior}"] == pytest.approx(right / (right + wrong), abs=1e-12)
            assert row[f"ppv_{prior}_low"] < row[f"ppv_{prior}"] < row[f"ppv_{prior}_high"]
        assert row["threshold_mean"] == limits[:, k].mean()
        assert row["fpr_low"] < row["fpr"] < row["fpr_high"]


def test_where_nobody_is_called_a_call_has_no_worth():
    member = np.array([[True, False, True, False]])
    scores = Scores((0,), np.zeros(4, np.int16), member, {"a": np.zeros((1, 4))})
    table = thresholds.evaluate(scores, {"a": np.ones((1, 2))}, 0)
    assert (table[["fpr", "tpr", "fpr_low", "tpr_low"]] == 0).all(axis=None)
    assert (table[["fpr_high", "tpr_high"]] > 0.5).all(axis=None)  # of two samples on either side
    assert table[["ppv_0.5", "ppv_0.5_low", "ppv_0.01_high"]].isna().all(axis=None)


def test_none_accused_says_how_many_may_be_all_the_same():
    """Of 200 samples, each a non-member of one of two targets, none is called: below 1.83 %."""
    member = np.stack([np.arange(200) < 100, np.arange(200) >= 100])
    scores = Scores((0, 1), np.zeros(200, np.int16), member, {"a": member * 1.0})
    table = thresholds.evaluate(scores, {"a": np.full((2, 2), 0.5)}, 0).set_index("fpr_limit")
    assert (table["fpr"] == 0).all()
    assert table["fpr_high"].to_numpy() == pytest.approx(stats.beta.ppf(0.975, 1, 200))
    assert table["tpr_low"].to_numpy() == pytest.approx(stats.beta.ppf(0.025, 200, 1))
    for limit, row in table.iterrows():
        assert row["fpr_p_value"] == pytest.approx(2 * (1 - limit) ** 200 if limit > 0.005 else 1)
    # At worst, of ten members and 990 others, ten and 18 are called.
    worst = 0.01 / (0.01 + 0.99 * table["fpr_high"])
    assert table["ppv_0.01_low"].to_numpy() == pytest.approx(worst)


def test_thresholds_give_about_their_fpr_on_the_target():
    """The stand-ins have one pair of shadow models fewer, so only about."""
    phi, member = pool(models=16, samples=4000)
    columns = scored(phi, member, range(16))
    scores = Scores(tuple(range(16)), np.zeros(4000, np.int16), member, columns)
    found = calibrated(phi, member, range(16))
    table = thresholds.evaluate(scores, found, 0).set_index(["attack", "fpr_limit"])
    for attack in columns:
        row = table.loc[(attack, 0.01)]
        assert 0.006 < row["fpr"] < 0.012, attack
    assert table.loc[("lira_online_fixed", 0.01), "ppv_0.5"] > 0.6


def test_a_pool_too_small_to_stand_in_is_refused():
    phi, member = pool(models=4)
    with pytest.raises(ValueError, match=r"pool.shadow_models: 2 cannot stand in .* at least 4"):
        calibrated(phi, member, [0])
