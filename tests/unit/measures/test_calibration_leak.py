"""Calibration samples against other members: by the plain metrics, under the null, and planted."""

import numpy as np
import pytest

from ptq_privacy.attacks import metrics
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.measures import calibration_leak
from ptq_privacy.measures.intervals import Resampled, estimate


def study(extra=0.0, targets=6, samples=400, chosen=60, seed=0, ties=False):
    generator = np.random.default_rng(seed)
    member = generator.random((targets, samples)) < 0.5
    calibrated = np.zeros_like(member)
    for target in range(targets):
        calibrated[target, calibration_set(member[target], chosen, seed, target)] = True
    score = generator.normal(size=member.shape) + member + extra * calibrated
    return member, calibrated, score.round(1) if ties else score


def compared(member, calibrated, score, seed=0):
    weight = calibration_leak.weights(member, calibrated, seed)
    return calibration_leak.compare(member, calibrated, score, weight).set_index("metric")


def changed(member, calibrated, change, seed=0):
    weight = calibration_leak.weights(member, calibrated, seed)
    return calibration_leak.compare_changes(member, calibrated, change, weight, seed).iloc[0]


@pytest.mark.parametrize("ties", [False, True])
def test_each_side_has_the_metrics_of_itself_and_all_nonmembers(ties):
    member, calibrated, score = study(ties=ties)
    table = compared(member, calibrated, score)
    for name in calibration_leak.SHOWN:
        for side, left_out in (("calibration", member & ~calibrated), ("other", calibrated)):
            each = [
                metrics.METRICS[name](*metrics.roc(m[~out], s[~out]), 1)
                for m, s, out in zip(member, score, left_out, strict=True)
            ]
            assert table.loc[name, side] == pytest.approx(np.mean(each), abs=1e-12)
        row = table.loc[name]
        assert row["difference"] == pytest.approx(row["calibration"] - row["other"], abs=1e-12)
    assert table["supported"].to_dict() == {
        "tpr_at_fpr_0.001": False,
        "tpr_at_fpr_0.01": True,
        "auc": True,
    }


def test_the_interval_is_that_of_physically_resampled_data():
    member, calibrated, score = study(targets=3, samples=300, chosen=50, ties=True)
    change = np.abs(np.random.default_rng(1).normal(size=score.shape)).round(1)
    weight = calibration_leak.weights(member, calibrated, 7)[:9]
    table = calibration_leak.compare(member, calibrated, score, weight).set_index("metric")
    row = calibration_leak.compare_changes(member, calibrated, change, weight, 7).iloc[0]
    expected = {name: np.empty((*weight.shape[:1], 3)) for name in (*table.index, row["metric"])}
    for replicate, times in enumerate(weight):
        drawn = np.arange(300).repeat(times)
        for target in range(3):
            m, c, s, d = (a[target, drawn] for a in (member, calibrated, score, change))
            for name in calibration_leak.SHOWN:
                curves = [metrics.roc(m[kept], s[kept]) for kept in (c | ~m, ~c)]
                sides = [metrics.METRICS[name](*curve, 1) for curve in curves]
                expected[name][replicate, target] = sides[0] - sides[1]
            expected[calibration_leak.CHANGE][replicate, target] = metrics.auc(c[m], -d[m]) - 0.5
    for name, values in expected.items():
        found = row if name == calibration_leak.CHANGE else table.loc[name]
        own = estimate(Resampled(values[0], values[1:]))
        parts = found[["difference", "low", "high", "p_value"]].astype(float)
        np.testing.assert_allclose(parts, own, atol=1e-9)


def test_a_draw_of_calibration_samples_is_no_leak():
    """Calibration samples that differ in nothing: about 19 of 20 intervals hold zero, though a
    sample that quantization moves far is moved far in every target."""
    held = {"auc": 0, calibration_leak.CHANGE: 0}
    for seed in range(30):
        member, calibrated, score = study(seed=seed, samples=200, chosen=40)
        moved = np.random.default_rng(seed).gamma(1, size=200)
        change = moved * np.random.default_rng(seed + 1).gamma(2, size=score.shape)
        for row in (
            compared(member, calibrated, score, seed).loc["auc"],
            changed(member, calibrated, change, seed),
        ):
            name = row.get("metric", "auc")
            held[name] += row["low"] <= 0 <= row["high"]
    assert all(25 <= count <= 30 for count in held.values()), held


def test_a_planted_leak_is_found():
    table = compared(*study(extra=1.0))
    assert table.loc["auc", "low"] > 0.05
    assert table.loc["auc", "p_value"] < 1e-3
    assert table.loc["tpr_at_fpr_0.01", "low"] > 0


def test_a_trace_that_no_score_shows_is_in_the_changes():
    """Quantization moves calibration samples a tenth less than other members."""
    member, calibrated, score = study(targets=12, samples=1500, chosen=250)
    change = np.abs(np.random.default_rng(3).normal(size=score.shape)) * (1 - 0.1 * calibrated)
    row = changed(member, calibrated, change)
    assert row["low"] > 0.01
    assert row["p_value"] < 1e-4
    assert row["other"] == 0.5
    assert compared(member, calibrated, score).loc["auc", "p_value"] > 0.05


def test_placebo_sets_have_the_spread_of_random_ranks():
    member, calibrated, score = study(targets=12, samples=1500, chosen=250)
    change = np.abs(np.random.default_rng(3).normal(size=score.shape)) * (1 - 0.5 * calibrated)
    row = changed(member, calibrated, change)
    others = member.sum(axis=1) - 250
    variance = ((250 + others + 1) / (12 * 250 * others)).sum() / 12**2  # Mann and Whitney's
    assert row["placebo_mean"] == pytest.approx(0.5, abs=4 * np.sqrt(variance / 100))
    assert row["placebo_deviation"] == pytest.approx(np.sqrt(variance), rel=0.25)


def test_bad_input_is_named():
    member, calibrated, score = study()
    with pytest.raises(ValueError, match="members alone"):
        calibration_leak.weights(member, ~member, 0)
    with pytest.raises(ValueError, match="some members of each target"):
        calibration_leak.weights(member, calibrated & False, 0)
    table = compared(member, member, score)
    assert table["difference"].isna().all()
    assert (table["note"] == calibration_leak.EVERY).all()
    row = changed(member, member, np.abs(score))
    assert np.isnan(row["difference"])
    assert row["note"] == calibration_leak.EVERY
