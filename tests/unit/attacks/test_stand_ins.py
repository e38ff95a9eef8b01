"""Stand-ins: nothing of the targets that they stand in for, and as much as the adversary has."""

import numpy as np
import pytest

from ptq_privacy.attacks import metrics, stand_ins
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools


def evidence(member, targets, of_targets=("w2",), of_pool=("w2", "full")):
    """phi says whose it is: model, plus a half at full precision, plus a hundredth a draw."""
    number = np.arange(len(member), dtype=np.float64)[:, None, None, None]
    draw = np.array([0.0, 0.01])[:, None, None]
    number = np.broadcast_to(number, (len(member), 2, member.shape[1], 1)) + draw
    answers = {"w2": number, "full": number + 0.5}
    return Evidence(
        targets=tuple(targets),
        member=member,
        target_phi={name: answers[name][list(targets), 0] for name in of_targets},
        pool_phi={name: answers[name] for name in of_pool},
        target_correct={name: answers[name][list(targets), 0] > 3 for name in of_targets},
        pool_correct={name: answers[name] > 3 for name in of_pool},
    )


@pytest.mark.parametrize("targets", [range(18), [17, 0, 4], [3]])
@pytest.mark.parametrize("most", [1, 4, 8])
def test_each_target_has_stand_ins_of_whole_pairs_that_are_not_its_own(targets, most):
    member = pools.in_pairs(18, 30)
    seen = []
    for rows, theirs in stand_ins.folds(evidence(member, targets), most):
        models = theirs.attacked[:, 0, 0].astype(int)
        own = {targets[row] // 2 for row in rows}
        assert not own & {model // 2 for model in models}
        assert len(models) % 2 == 0
        assert theirs.paired
        np.testing.assert_array_equal(theirs.member, member[models])
        np.testing.assert_array_equal(theirs.shadow[:, 0, 0].astype(int), models)
        np.testing.assert_array_equal(theirs.target_correct["w2"][:, 0, 0], models > 3)
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(targets)))


def test_which_others_are_attacked_changes_no_stand_in():
    member = pools.in_pairs(18, 30)
    whole = {
        target: theirs.attacked
        for rows, theirs in stand_ins.folds(evidence(member, range(18)))
        for target in rows
    }
    for _, theirs in stand_ins.folds(evidence(member, [5])):
        np.testing.assert_array_equal(theirs.attacked, whole[5])


def test_a_pool_by_coin_leaves_each_sample_both_sides():
    member = pools.by_coin(15, 60)
    while np.minimum(member.sum(axis=0), (~member).sum(axis=0)).min() < 3:
        member = pools.by_coin(15, 60, seed=int(member[0, 0]) + 7)
    for _, theirs in stand_ins.folds(evidence(member, range(15))):
        for target in theirs.targets:
            inside = theirs.member[theirs.others(target)]
            assert inside.any(axis=0).all()
            assert not inside.all(axis=0).any()


@pytest.mark.parametrize(
    ("of_targets", "of_pool", "expected"),
    [
        (("w2",), ("full",), {"w2": 0.5}),  # transfer: he does not know the recipe
        (("w2",), ("w2",), {"w2": 0.0}),
        (("w2",), ("w2", "full"), {"w2": 0.0}),
        (("w2", "full"), ("w2", "full"), {"w2": 0.0, "full": 0.5}),
    ],
)
def test_they_answer_as_far_as_the_adversary_knows(of_targets, of_pool, expected):
    given = evidence(pools.in_pairs(6, 20), [0], of_targets, of_pool)
    (_, theirs), *_ = stand_ins.folds(given)
    assert {name: float(v[0, 0, 0] % 1) for name, v in theirs.target_phi.items()} == expected
    assert list(theirs.pool_phi) == list(of_pool)
    assert all(values.shape[:2] == (4, 2) for values in theirs.pool_phi.values())


def test_as_many_stand_ins_as_asked_for_share_all_shadow_models():
    ((_, theirs),) = stand_ins.folds(evidence(pools.in_pairs(18, 30), [0]), models=5)
    assert theirs.targets == (0, 1, 2, 3, 4)
    assert len(theirs.member) == 14


def test_too_few_are_refused():
    given = evidence(pools.in_pairs(4, 20), [0])
    assert not stand_ins.can_stand_in(given)
    with pytest.raises(ValueError, match=r"pool.shadow_models: 2 cannot stand in .* at least 4"):
        next(stand_ins.folds(given))


def test_worth_is_the_mean_logarithm_of_what_is_found_at_low_rates():
    generator = np.random.default_rng(0)
    member = generator.random((6, 4000)) < 0.5
    score = generator.normal(size=member.shape) + 2 * member
    each = [metrics.tpr_at_fpr(member.ravel(), score.ravel(), rate) for rate in stand_ins.RATES]
    expected = np.log(np.array(each) + 0.5 / member.sum()).mean()
    assert stand_ins.worth(member, score) == pytest.approx(expected, abs=1e-12)
    few = member[:, :30], score[:, :30]
    assert stand_ins.worth(*few) == metrics.auc(few[0].ravel(), few[1].ravel())
