"""What is accepted as evidence, and each target's shadow models against slow plain loops."""

import numpy as np
import pytest
from scipy.special import expit

from ptq_privacy.attacks import sides
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools


def change(**given):
    """A pair's evidence, its fields changed by functions."""
    member = pools.in_pairs(6, 5)
    phi = pools.answers(member, 2)
    fields = {
        "targets": (0, 3),
        "member": member,
        "target_phi": {"w4": phi[[0, 3]], "full": phi[[3, 0]]},
        "pool_phi": {"w4": np.stack([phi, phi + 1], axis=1), "full": phi[:, None]},
        "target_correct": {"w4": phi[[0, 3]] > 0},
        "pool_correct": {"w4": phi[:, None] > 0},
    }
    return {**fields, **{name: make(fields[name]) for name, make in given.items()}}


def test_an_adversary_has_variants_of_the_targets_and_draws_of_the_pool():
    found = Evidence(**change())
    np.testing.assert_array_equal(found.attacked, found.target_phi["w4"])
    np.testing.assert_array_equal(found.shadow, found.pool_phi["full"][:, 0])
    assert found.paired


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (change(member=lambda m: m.astype(int)), "member is int64"),
        (change(member=lambda m: m[:-1]), r"member is bool \(5, 5\); expected bool \(6, 5\)"),
        (change(member=lambda m: m[:, :-1]), r"member is bool \(6, 4\)"),
        (change(targets=lambda _: (0, 6)), "targets: 6 is not a model of the pool, 0 to 5"),
        (change(targets=lambda _: (0, -1)), "targets: -1"),
        (change(targets=lambda _: (0, 1, 2)), r"target_phi of w4: .*expected float64 \(3, 5, 2\)"),
        (change(target_phi=lambda _: {}), "a variant of the targets and one of the pool"),
        (change(pool_phi=lambda _: {}), "a variant of the targets and one of the pool"),
        (
            change(target_phi=lambda phi: {**phi, "full": phi["full"][:, :-1]}),
            r"target_phi of full: is float64 \(2, 4, 2\); expected float64 \(2, 5, 2\)",
        ),
        (
            change(target_phi=lambda phi: {"w4": phi["w4"].astype(np.float32)}),
            "target_phi of w4: is float32",
        ),
        (
            change(target_phi=lambda phi: {"w4": phi["w4"] * np.nan}),
            "target_phi of w4: not all values are finite",
        ),
        (
            change(pool_phi=lambda phi: {**phi, "full": phi["full"] + np.inf}),
            "pool_phi of full: not all values are finite",
        ),
        (
            change(pool_phi=lambda phi: {**phi, "full": phi["full"][:5]}),
            r"pool_phi of full: is float64 \(5, 1, 5, 2\); expected float64 \(6, 1, 5, 2\)",
        ),
        (change(pool_phi=lambda phi: {"w4": phi["w4"][:3]}), "at least 4 models"),
        (
            change(pool_phi=lambda phi: {"w4": phi["w4"][:, 0]}),
            r"expected \[models, draws, samples, queries\]",
        ),
        (change(pool_phi=lambda phi: {"w4": phi["w4"][:, :0]}), "pool_phi has shape"),
        (change(pool_phi=lambda phi: {"w4": phi["w4"][..., :0]}), "pool_phi has shape"),
        (
            change(target_correct=lambda found: {"w4": found["w4"].astype(float)}),
            r"target_correct of w4: is float64 \(2, 5, 2\); expected bool \(2, 5, 2\)",
        ),
        (
            change(pool_correct=lambda found: {"w4": found["w4"][:, :, 1:]}),
            r"pool_correct of w4: .*expected bool \(6, 1, 5, 2\)",
        ),
    ],
)
def test_wrong_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Evidence(**fields)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shadow_phi": lambda phi: phi[:3]}, "at least 4 models"),
        ({"shadow_phi": lambda phi: phi[0]}, r"expected \[models, draws, samples, queries\]"),
        ({"shadow_phi": lambda phi: phi + np.inf}, "pool_phi of shadow: not all"),
        ({"target_phi": lambda phi: phi[:, :-1]}, r"target_phi of target: is float64 \(2, 4, 2\)"),
        ({"target_phi": lambda phi: phi * np.nan}, "target_phi of target: not all"),
        ({"member": lambda member: member + 0}, "member is int64"),
        ({"targets": lambda _: [0, 6]}, "targets: 6"),
    ],
)
def test_wrong_arguments_of_the_short_form_are_named(given, message):
    member = pools.in_pairs(6, 5)
    phi = pools.answers(member, 2)
    known = {"target_phi": phi[[0, 3]], "shadow_phi": phi, "member": member, "targets": [0, 3]}
    known |= {name: make(known[name]) for name, make in given.items()}
    with pytest.raises(ValueError, match=message):
        Evidence.of(**known)


def test_pairs_are_seen_from_the_membership():
    member = pools.in_pairs(6, 5)
    phi = pools.answers(member)

    def seen(member):
        return pools.evidence(phi[: len(member)], member, [3])

    paired, other = seen(member), member.copy()
    other[3, 2] = other[2, 2]
    assert paired.paired
    assert paired.others(3).tolist() == paired.others(2).tolist() == [0, 1, 4, 5]
    for unpaired in (other, member[:5], member[[0, 2, 1, 3, 4, 5]]):
        assert not seen(unpaired).paired
        assert seen(unpaired).others(3).tolist() == [m for m in range(len(unpaired)) if m != 3]


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("models", [4, 6, 18])
def test_of_pairs_all_is_kept_but_the_targets_own(models, queries):
    """What one sort of the pool gives for all targets, against each target's own loop."""
    samples, targets = 23, [models - 1, 0, 1]
    member = pools.in_pairs(models, samples)
    phi = pools.answers(member, queries)
    found = pools.evidence(phi, member, targets)
    assert sides.rows(found)[1] == sides.rows(found)[2]  # one pair
    fits, means = list(sides.fits(found)), list(sides.means(found, expit))
    assert [query for _, query, _ in fits] == [query for _, query, _ in means] == [*range(queries)]
    for row, target in zip(sides.rows(found), targets, strict=True):
        for query in range(queries):
            for side, inside in enumerate((True, False)):
                fit, mean = fits[query][2][side], means[query][2][side]
                assert fit.count == models // 2 - 1
                for sample in range(samples):
                    values = [
                        phi[m, sample, query]
                        for m in range(models)
                        if m // 2 != target // 2 and member[m, sample] == inside
                    ]
                    assert len(values) == models // 2 - 1
                    assert_fits(fit, (row, sample), values)
                    assert mean[row, sample] == pytest.approx(np.mean(expit(values)), rel=1e-12)


def assert_fits(fit, place, values):
    residual = np.array(values) - np.median(values)
    assert fit.median[place] == pytest.approx(np.median(values), rel=1e-12)
    assert fit.mean[place] == pytest.approx(np.mean(residual), rel=1e-9, abs=1e-12)
    assert fit.square[place] == pytest.approx(np.mean(residual**2), rel=1e-9, abs=1e-12)
    expected = max(np.std(values), sides.DEVIATION_FLOOR)
    assert fit.deviation[place] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("models", [7, 12])
def test_without_pairs_a_sample_keeps_as_many_values_on_either_side(models, queries):
    samples, target = 40, 3
    member = pools.by_coin(models, samples)
    phi = pools.answers(member, queries)
    found = pools.evidence(phi, member, [target])
    kept = [side[0] for side in pools.kept(found)]
    fits, means = list(sides.fits(found)), list(sides.means(found, expit))
    for sample in range(samples):
        others = set(range(models)) - {target}
        trained = {m for m in others if member[m, sample]}
        assert kept[0][sample] <= trained
        assert kept[1][sample] <= others - trained
        fewest = min(len(trained), len(others - trained))
        assert len(kept[0][sample]) == len(kept[1][sample]) == fewest > 0
        for query in range(queries):
            for side in (0, 1):
                values = [phi[m, sample, query] for m in sorted(kept[side][sample])]
                assert fits[query][2][side].count[0, sample] == fewest
                assert_fits(fits[query][2][side], (0, sample), values)
                mean = means[query][2][side][0, sample]
                assert mean == pytest.approx(np.mean(expit(values)), rel=1e-12)


def test_what_is_left_out_is_drawn_evenly_by_target_and_seed():
    """Of five models on one side two are left out: each by chance in two samples of five."""
    samples = 4000
    member = np.zeros((9, samples), bool)
    member[:5] = True  # the target is model 8, so five stand against three
    phi = pools.answers(member)
    drawn = {}
    for seed, targets in ((0, [8]), (0, [7, 8]), (1, [8])):
        sets = pools.kept(pools.evidence(phi, member, targets, seed=seed))[0][-1]
        drawn[seed, len(targets)] = sets
        times = np.array([sum(model in own for own in sets) for model in range(5)])
        assert times.sum() == 3 * samples
        assert (abs(times / samples - 3 / 5) < 4 * np.sqrt(3 / 5 * 2 / 5 / samples)).all()
    assert drawn[0, 1] == drawn[0, 2]
    assert drawn[0, 1] != drawn[1, 1]


@pytest.mark.parametrize("inside", [True, False])
def test_a_sample_that_all_or_none_of_the_shadow_models_know_is_named(inside):
    member = pools.by_coin(7, 30)
    member[:, 17] = inside
    member[3, 17] = not inside  # of the target, who is not among them
    phi = pools.answers(member, 2)
    for yielded in (sides.fits, lambda found: sides.means(found, expit)):
        message = "member: sample 17 is in all or none of the shadow models of model 3"
        with pytest.raises(ValueError, match=message):
            list(yielded(pools.evidence(phi, member, [3])))
        assert list(yielded(pools.evidence(phi[:, :17], member[:, :17], [3])))


def test_the_sample_is_named_that_a_later_block_holds(monkeypatch):
    monkeypatch.setattr(sides, "SAMPLES_PER_BLOCK", 5)
    member = pools.by_coin(7, 30)
    member[:, 17] = True
    with pytest.raises(ValueError, match="member: sample 17 "):
        list(sides.fits(pools.evidence(pools.answers(member), member, [3])))
