"""Exposure by sample and by group: by slow counting, under the null, and with planted outliers."""

from itertools import combinations

import numpy as np
import pytest

from ptq_privacy import attacks
from ptq_privacy.attacks import metrics, stand_ins
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.data import membership
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import exposure, outliers


def study(targets=8, samples=400, remembered=20, shift=6.0, seed=0):
    """Scores that give away the first samples only, and variants that keep a part of that."""
    generator = np.random.default_rng(seed)
    member = membership.draw(samples, targets + targets % 2, seed)[:targets]
    known = np.where(np.arange(samples) < remembered, shift, 0.0)
    noise = generator.normal(size=(3, targets, samples))
    label = (np.arange(samples) % 10).astype(np.int16)
    scores = {}
    for (variant, kept), own in zip(
        {"full": 1.0, "obc-w2": 0.5, "nearest-w2": 0.0}.items(), noise, strict=True
    ):
        found = {"a": own + kept * known * member}
        scores[variant] = Scores(tuple(range(targets)), label, member, found)
    return scores


def slow_chance(member, values, sample, fpr):
    """By trying each set of rivals: n - 1 non-members, the sample itself never one of them."""
    rivals = [other for other in np.flatnonzero(~member) if other != sample]
    count = (~member).sum()
    sets = [[r for r in rivals if r != left_out] for left_out in rivals] if member[sample] else []
    chances = []
    for compared in sets or [rivals]:
        assert len(compared) == count - 1
        above = (values[compared] >= values[sample]).sum()
        chances.append(min(max(count * fpr - above, 0), 1))
    return np.mean(chances)


def test_shares_are_those_of_slow_counting():
    scores = study(targets=5, samples=60)["full"]
    values = scores.attacks["a"].round(1)  # with ties
    found = {fpr: exposure.called(scores.member, values, fpr) for fpr in (0.01, 0.15)}
    table = exposure.per_sample("full", scores.label, found, np.arange(60.0))
    assert table["signal"].tolist() == list(range(60))
    for sample in range(60):
        row = table.iloc[sample]
        assert row["sample"] == sample
        for fpr in found:
            rates = {True: [], False: []}
            for member, own in zip(scores.member, values, strict=True):
                rates[bool(member[sample])].append(slow_chance(member, own, sample, fpr))
            assert row["targets_in"] == len(rates[True])
            for side, name in ((True, "caught"), (False, "false")):
                expected = np.mean(rates[side]) if rates[side] else np.nan
                assert row[f"{name}_{fpr}"] == pytest.approx(expected, nan_ok=True, abs=1e-6)


@pytest.mark.parametrize("fpr", [0.1, 0.25, 0.5])
def test_where_membership_tells_nothing_nobody_is_exposed_exactly(fpr):
    """All halves of seven samples, with ties: each is caught as often as called falsely. At the
    ROC's own threshold members would be called more often, (k + 1) / (n + 1) against k / n."""
    score = np.array([3.0, 2.0, 2.0, 2.0, 1.0, 0.5, np.inf])
    halves = list(combinations(range(7), 3))
    member = np.zeros((len(halves), 7), bool)
    for row, half in enumerate(halves):
        member[row, list(half)] = True
    found = exposure.called(member, np.tile(score, (len(halves), 1)), fpr).called
    caught, wrong = (
        np.where(side, found, 0).sum(axis=0) / side.sum(axis=0) for side in (member, ~member)
    )
    np.testing.assert_allclose(caught, wrong, atol=1e-6)
    distinct = np.argsort(np.argsort(score, kind="stable")).astype(float)
    rates = exposure.called(member, np.tile(distinct, (len(halves), 1)), fpr).called
    assert rates[~member].mean() == pytest.approx(fpr, abs=1e-6)
    assert rates[member].mean() == pytest.approx(fpr, abs=1e-6)
    plain = np.stack([metrics.called_at_fpr(own, distinct, fpr) for own in member])
    assert plain[member].mean() > plain[~member].mean() + 0.02


def test_a_pair_gives_one_signed_number():
    scores = study(targets=5, samples=60)["full"]
    found = exposure.calls(scores, "a", 0.1)
    signed = outliers.by_pair(found)
    assert signed.shape == (2, 60)  # the fifth target has no partner
    for pair in range(2):
        for sample in range(60):
            inside, outside = (2 * pair, 2 * pair + 1)
            if not scores.member[inside, sample]:
                inside, outside = outside, inside
            expected = found.called[inside, sample] - found.called[outside, sample]
            assert signed[pair, sample] == expected


def test_an_attack_without_scores_is_refused():
    with pytest.raises(ValueError, match="attack 'b' is not among a"):
        exposure.calls(study()["full"], "b", 0.01)


def summarized(scores, fpr=0.01, signals=None):
    """Summary, orders and exposures; a pair's samples are ranked by the other targets."""
    found = {variant: exposure.calls(own, "a", fpr) for variant, own in scores.items()}
    exposures = {variant: outliers.by_pair(calls) for variant, calls in found.items()}
    full = scores["full"]
    orders = [
        outliers.order(np.delete(full.member, own, 0), np.delete(full.attacks["a"], own, 0), fpr)
        for own in np.arange(len(full.targets)).reshape(-1, 2)
    ]
    table = outliers.summarize(exposures, signals, np.stack(orders), full.member, 0)
    return table, np.stack(orders), exposures


def test_samples_are_ranked_by_net_catches_then_by_whom_they_outscore():
    member = np.array([[True, True, False, False], [False, False, True, True]])
    score = np.array([[9.0, 2.0, 1.0, 0.0], [5.0, 6.0, 7.0, 5.5]])
    # At FPR 0 samples 0, 1 and 2 are caught once. As members they outscore all non-members, 3 half.
    assert outliers.order(member, score, 0.0).tolist() == [0, 1, 2, 3]
    # With one false positive of two, 1 and 2 are caught once and called falsely once.
    assert outliers.order(member, score, 0.5).tolist() == [0, 3, 1, 2]
    planted = study()["full"]
    order = outliers.order(planted.member, planted.attacks["a"], 0.01)
    assert set(order[:20]) == set(range(20))


def test_groups_are_means_over_their_samples():
    table, order, exposures = summarized(study())
    table = table.set_index(["statistic", "variant", "group"])
    pairs, samples = order.shape
    places = {"all": (0, 1), "top_1%": (0, 0.01), "other_99%": (0.01, 1), "top_10%": (0, 0.1)}
    places |= {"other_90%": (0.1, 1), "decile_1": (0, 0.1), "decile_7": (0.6, 0.7)}
    for variant, signed in exposures.items():
        total = sum(signed[pair].sum() for pair in range(pairs))
        for group, (start, stop) in places.items():
            chosen = [
                order[p][round(start * samples) : round(stop * samples)] for p in range(pairs)
            ]
            own = np.concatenate([signed[pair][c] for pair, c in enumerate(chosen)])
            row = table.loc[("exposure", variant, group)]
            assert row["estimate"] == pytest.approx(own.mean(), abs=1e-6)
            assert row["low"] <= row["estimate"] <= row["high"]
            if variant != "nearest-w2":
                share = table.loc[("share", variant, group), "estimate"]
                assert share == pytest.approx(own.sum() / total, abs=1e-6)


def test_planted_outliers_are_found_and_their_protection_is_measured():
    table, _, _ = summarized(study())
    table = table.set_index(["statistic", "variant", "group"])
    assert table.loc[("exposure", "full", "top_1%"), "estimate"] > 0.9
    assert table.loc[("share", "full", "top_10%"), "low"] > 0.6
    lost = table.loc[("fall", "nearest-w2", "top_10%")]
    assert lost["low"] > 0.3
    assert lost["p_value"] < 0.01
    assert table.loc[("kept", "nearest-w2", "top_10%"), "high"] < 0.2
    assert np.isnan(table.loc[("kept", "obc-w2", "decile_7"), "estimate"])
    assert table.loc[("kept", "obc-w2", "decile_7"), "note"] == outliers.NO_EXPOSURE


def test_correlations_are_spearmans():
    from scipy import stats

    table, _, exposures = summarized(study())
    table = table[table["statistic"].str.startswith("correlation")]
    table = table.set_index(["statistic", "variant", "other"])
    own = {variant: signed.sum(axis=0).round(4) for variant, signed in exposures.items()}
    same = table.loc[("correlation_same_targets", "full", "obc-w2"), "estimate"]
    assert same == pytest.approx(stats.spearmanr(own["full"], own["obc-w2"])[0], abs=1e-9)
    halves = {
        p: tuple(signed[half::2].sum(axis=0).round(4) for half in (0, 1))
        for p, signed in exposures.items()
    }
    other = table.loc[("correlation_other_targets", "full", "obc-w2"), "estimate"]
    expected = [
        stats.spearmanr(halves["full"][side], halves["obc-w2"][1 - side])[0] for side in (0, 1)
    ]
    assert other == pytest.approx(np.mean(expected), abs=1e-9)
    reliability = table.loc[("correlation_other_targets", "full", "full"), "estimate"]
    assert reliability == pytest.approx(stats.spearmanr(*halves["full"])[0], abs=1e-9)


def unlearned(models=12, samples=2000, seed=3):
    """Confidences of models that learned nothing, of samples that are easy or hard."""
    generator = np.random.default_rng(seed)
    member = membership.draw(samples, models, seed)
    phi = generator.normal(size=(models, samples, 1)) + 2 * generator.normal(size=(samples, 1))
    return phi, member


def scored(attack, phi, member):
    """What an attack says of all models of a pool."""
    return attacks.score({attack: {}}, Evidence.of(phi, phi, member, range(len(phi))))


@pytest.mark.parametrize(
    ("attack", "score"),
    [
        ("lira", "lira_online_fixed"),
        ("rmia", "rmia_online"),
        ("global_threshold", "global_threshold"),
    ],
)
def test_no_sample_is_exposed_where_nothing_leaks(attack, score):
    """Caught as often as called falsely, also those who seemed the most exposed to stand-ins."""
    phi, member = unlearned()
    models, samples = member.shape
    values = scored(attack, phi, member)[score]
    signed = outliers.by_pair(exposure.called(member, values, 0.1))
    orders = np.empty((models // 2, samples), np.int64)
    for rows, theirs in stand_ins.folds(Evidence.of(phi, phi, member, range(models))):
        found = attacks.score({attack: {}}, theirs, [score])[score]
        orders[rows // 2] = outliers.order(theirs.member, found, 0.1)
    table = outliers.summarize({"full": signed}, None, orders, member, 0)
    table = table[table["statistic"] == "exposure"].set_index("group")
    # A pair's signed call has variance 2 x 0.1 x 0.9 at most; a common sample adds none.
    error = np.sqrt(2 * 0.1 * 0.9 / len(signed))
    for group, share in (("all", 1), ("top_1%", 0.01), ("top_10%", 0.1), ("other_99%", 0.99)):
        assert abs(table.loc[group, "estimate"]) < 4 * error / np.sqrt(share * samples), group
    each = signed.mean(axis=0)
    assert abs(each.mean()) < 4 * error / np.sqrt(samples)
    assert each.std() < 1.1 * error


def test_samples_ranked_by_their_own_targets_would_seem_exposed():
    """Why stand-ins: the other targets know the pair that they rank for as shadow models."""
    phi, member = unlearned(models=6, samples=8000)  # the fewer, the more each one knows
    values = scored("lira", phi, member)["lira_online_fixed"]
    scores = Scores(tuple(range(6)), np.zeros(8000, np.int16), member, {"a": values})
    table, _, _ = summarized({"full": scores}, fpr=0.1)
    top = table.set_index(["statistic", "group"]).loc[("exposure", "top_1%")]
    assert top["low"] > 0.05


def test_without_a_pair_or_a_ranking_there_is_a_note():
    scores = study(targets=2)["full"]
    signed = {"full": outliers.by_pair(exposure.calls(scores, "a", 0.01))}
    for orders in (None, np.empty((0, 400), np.int64)):
        table = outliers.summarize(signed, None, orders, scores.member, 0)
        assert table["estimate"].isna().all()
        assert (table["note"] == outliers.TOO_FEW).all()
    order = outliers.order(scores.member, scores.attacks["a"], 0.01)
    table = outliers.summarize(signed, None, order[None], scores.member, 0)
    exposed = table[table["statistic"] == "exposure"]
    assert exposed["estimate"].notna().all()
    correlation = table[table["statistic"] == "correlation_other_targets"]
    assert correlation["note"].tolist() == [outliers.CONSTANT]


def test_called_at_an_fpr_is_what_the_metric_counts():
    generator = np.random.default_rng(0)
    for _ in range(50):
        member = generator.random(30) < 0.5
        score = generator.choice([-np.inf, 0.0, 1.0, 2.0, np.inf], size=30)
        for fpr in (0.0, 0.01, 0.1, 0.5, 1.0):
            called = metrics.called_at_fpr(member, score, fpr)
            assert called[member].mean() == metrics.tpr_at_fpr(member, score, fpr)
            assert called[~member].mean() <= fpr + 1e-12
            if called.any():
                np.testing.assert_array_equal(called, score >= score[called].min())
    with pytest.raises(ValueError, match="not between 0 and 1"):
        metrics.called_at_fpr([True, False], [1.0, 0.0], -0.1)
