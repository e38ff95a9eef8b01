"""Calibration samples against other members: by the plain metrics, under the null, and planted."""

import numpy as np
import pytest

from ptq_privacy.attacks import metrics
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.measures import calibration_leak, intervals


def study(extra=0.0, targets=6, samples=400, chosen=60, seed=0, ties=False):
    generator = np.random.default_rng(seed)
    member = generator.random((targets, samples)) < 0.5
    calibrated = np.zeros_like(member)
    for target in range(targets):
        calibrated[target, calibration_set(member[target], chosen, seed, target)] = True
    score = generator.normal(size=member.shape) + member + extra * calibrated
    return member, calibrated, score.round(1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
def test_each_side_has_the_metrics_of_itself_and_all_nonmembers(ties):
    member, calibrated, score = study(ties=ties)
    table = calibration_leak.compare(member, calibrated, score, 0, 20).set_index("metric")
    for name in calibration_leak.SHOWN:
        for side, left_out in (("calibration", member & ~calibrated), ("other", calibrated)):
            each = [
                metrics.METRICS[name](*metrics.roc(m[~out], s[~out]), 1)
                for m, s, out in zip(member, score, left_out, strict=True)
            ]
            assert table.loc[name, side] == pytest.approx(np.mean(each), abs=1e-12)
        row = table.loc[name]
        assert row["difference"] == row["calibration"] - row["other"]
    assert table["supported"].to_dict() == {
        "tpr_at_fpr_0.001": False,
        "tpr_at_fpr_0.01": True,
        "auc": True,
    }


def test_the_interval_is_that_of_physically_resampled_data():
    member, calibrated, score = study(targets=3, samples=300, chosen=50, ties=True)
    table = calibration_leak.compare(member, calibrated, score, 7, 20).set_index("metric")
    classes = np.concatenate([member, calibrated, member & ~calibrated])
    weights = np.concatenate([w for _, w in intervals.weights_in_chunks(classes, 7, 20, 3)])
    draws = intervals.target_draws(3, 7, 20)
    for name in calibration_leak.SHOWN:
        differences = []
        for replicate in range(20):
            each = []
            for target in draws[replicate]:
                times = weights[replicate].astype(int)
                if not metrics.supports(int((~member[target]).sum()), name):
                    times = np.where(member[target], times, 1)
                drawn = np.arange(300).repeat(times)
                m, c, s = (a[target, drawn] for a in (member, calibrated, score))
                sides = [
                    metrics.METRICS[name](*metrics.roc(m[kept], s[kept]), 1)
                    for kept in (c | ~m, ~c)
                ]
                each.append(sides[0] - sides[1])
            differences.append(np.mean(each))
        expected = np.percentile(differences, [2.5, 97.5])
        np.testing.assert_allclose(table.loc[name, ["low", "high"]].astype(float), expected)
        assert table.loc[name, "p_value"] == intervals.p_value(np.array(differences))


def test_a_draw_of_calibration_samples_is_no_leak():
    """Calibration samples that differ in nothing: about 19 of 20 intervals hold zero."""
    held = 0
    for seed in range(40):
        table = calibration_leak.compare(*study(seed=seed, samples=200, chosen=40), seed, 60)
        auc = table.set_index("metric").loc["auc"]
        held += auc["low"] <= 0 <= auc["high"]
    assert held >= 34


def test_a_planted_leak_is_found():
    table = calibration_leak.compare(*study(extra=1.0), 0, 60).set_index("metric")
    assert table.loc["auc", "low"] > 0.05
    assert table.loc["auc", "p_value"] == 2 / 61
    assert table.loc["tpr_at_fpr_0.01", "low"] > 0


def test_bad_input_is_named():
    member, calibrated, score = study()
    with pytest.raises(ValueError, match="members alone"):
        calibration_leak.compare(member, ~member, score, 0, 20)
    with pytest.raises(ValueError, match="some members of each target"):
        calibration_leak.compare(member, calibrated & False, score, 0, 20)
    table = calibration_leak.compare(member, member, score, 0, 20)
    assert table["difference"].isna().all()
    assert (table["note"] == "every member is a calibration sample").all()
