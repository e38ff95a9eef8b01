"""The signal of each sample: by its formula, under the null, and where all are protected alike."""

import numpy as np
import pytest

from ptq_privacy import attacks
from ptq_privacy.attacks import stand_ins
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.data import membership
from ptq_privacy.measures import exposure, outliers, sample_signal
from ptq_privacy.report import whose_samples
from ptq_privacy.report.sentences import HIGHER, LOWER, OPEN, verdict

SCORE = "lira_online_fixed"


def test_a_pair_is_measured_by_the_deviation_of_the_others():
    generator = np.random.default_rng(0)
    member = membership.draw(40, 9 + 1, 0)[:9]  # the last has no partner
    phi = generator.normal(size=(9, 40, 2)) * generator.gamma(2, size=(40, 1)) + member[..., None]
    found = sample_signal.of_pairs(phi, member)
    assert found.shape == (4, 40)
    answers = phi.mean(axis=2)
    for pair in range(4):
        inside = np.where(member[0:8:2], answers[0:8:2], answers[1:8:2])
        outside = np.where(member[0:8:2], answers[1:8:2], answers[0:8:2])
        rest = [k for k in range(4) if k != pair]
        own = (inside[rest].var(axis=0, ddof=1) + outside[rest].var(axis=0, ddof=1)) / 2
        degrees, prior = 2 * 2, sample_signal.PRIOR
        moderated = (degrees * own + prior * own.mean()) / (degrees + prior)
        expected = (inside[pair] - outside[pair]) / np.sqrt(moderated)
        np.testing.assert_allclose(found[pair], expected, rtol=1e-4, atol=1e-5)
    assert sample_signal.of_pairs(phi[:5], member[:5]) is None
    assert (sample_signal.of_pairs(np.zeros((8, 40, 1)), member[:8]) == 0).all()


def study(kept=None, models=18, samples=3000, seed=0):
    """phi of samples of which some are remembered far better; `kept` of it by a variant."""
    generator = np.random.default_rng(seed)
    member = membership.draw(samples, models, seed)
    signal = generator.gamma(0.5, 1.2, size=samples)
    strong = signal >= np.quantile(signal, 0.99)
    ease = 2 * generator.normal(size=samples)
    full = ease + signal * member + generator.normal(size=member.shape)
    if kept is None:
        return member, {"full": full[..., None]}
    share = np.where(strong, *kept)
    variant = ease + share * signal * member + generator.normal(size=member.shape)
    return member, {"full": full[..., None], "obc-w2": variant[..., None]}


def summarized(member, answers):
    """What `measure_exposure` does, the attacker's shadow models quantized as the target is."""
    models = len(member)
    evidence = {p: Evidence.of(phi, phi, member, range(models)) for p, phi in answers.items()}
    orders = np.empty((models // 2, member.shape[1]), np.int64)
    for rows, theirs in stand_ins.folds(evidence["full"]):
        found = attacks.score({"lira": {}}, theirs, [SCORE])[SCORE]
        orders[rows // 2] = outliers.order(theirs.member, found, 0.01)
    exposures, signals = {}, {}
    for variant, own in evidence.items():
        scores = attacks.score({"lira": {}}, own, [SCORE])[SCORE]
        exposures[variant] = outliers.by_pair(exposure.called(member, scores, 0.01))
        signals[variant] = sample_signal.of_pairs(answers[variant], member)
    return outliers.summarize(exposures, signals, orders, member, 0).assign(fpr=0.01)


def top_minus_others(table):
    found = table.set_index(["statistic", "group"])
    return [found.loc[(f"{kind}_top_minus_other", "top_1%")] for kind in ("kept", "signal_kept")]


def test_protecting_all_alike_is_not_called_unequal():
    """Every sample's signal times 0.6: the most exposed keep more of their exposure alone."""
    member, answers = study(kept=(0.6, 0.6))
    table = summarized(member, answers)
    exposed, signal = top_minus_others(table)
    assert exposed["low"] > 0.1
    assert signal["low"] < 0 < signal["high"]
    kept = table.set_index(["statistic", "group"]).loc["signal_kept", "estimate"]
    assert kept["top_1%"] == pytest.approx(0.6, abs=0.06)
    assert kept["other_99%"] == pytest.approx(0.6, abs=0.06)
    both = whose_samples.top_against_others(table).iloc[0]
    assert verdict(both["low"], both["high"]) == OPEN
    section = whose_samples.outliers({"adaptive": table}, 1500, "adaptive")
    assert "cannot be told at OBC 2 bits" in section.sentences[0]
    assert (
        "share of their exposure, but that they do of their signal is not told"
        in section.sentences[1]
    )


@pytest.mark.parametrize(("kept", "expected"), [((0.95, 0.3), HIGHER), ((0.2, 0.9), LOWER)])
def test_protecting_some_more_is_told(kept, expected):
    both = whose_samples.top_against_others(summarized(*study(kept))).iloc[0]
    assert verdict(both["low"], both["high"]) == expected
    assert both["p_value"] < 0.05


def test_no_group_has_a_signal_where_nothing_leaks():
    """Nor do those who seemed the most exposed to stand-ins: one interval in twenty may err."""
    groups, wrong = ["all", "top_1%", "top_10%", "other_99%", "decile_5"], 0
    for seed in range(6):
        generator = np.random.default_rng(seed)
        member = membership.draw(1000, 12, seed)
        spread = generator.gamma(1, size=(1000, 1))
        phi = 2 * generator.normal(size=(1000, 1)) + spread * generator.normal(size=(12, 1000, 1))
        table = summarized(member, {"full": phi})
        rows = table[table["statistic"] == "signal"].set_index("group").loc[groups]
        wrong += int(((rows["low"] > 0) | (rows["high"] < 0)).sum())
    assert wrong <= 5  # of 30
