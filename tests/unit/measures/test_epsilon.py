"""Lower bounds on epsilon: by the theorem's own sums, under the null, and of known mechanisms."""

import numpy as np
import pytest
from scipy import stats

from ptq_privacy.data import membership
from ptq_privacy.measures import epsilon

ERROR = 0.05


def theorem(right, guesses, pairs, bound, delta):
    """Steinke, Nasr and Jagielski (2023), theorem 5.2, term by term."""
    binomial = stats.binom(guesses, 1 / (1 + np.exp(-bound)))
    at_least = [binomial.sf(v - 1) for v in range(guesses + 1)]
    steps = [(at_least[right - i] - at_least[right]) / i for i in range(1, right + 1)]
    return min(1, at_least[right] + 2 * pairs * delta * max(steps, default=0))


@pytest.mark.parametrize(("right", "guesses", "pairs"), [(0, 9, 20), (16, 16, 750), (53, 64, 750)])
@pytest.mark.parametrize("delta", [0.0, 1e-5, 1e-3])
def test_the_probability_is_the_theorems(right, guesses, pairs, delta):
    for bound in (0.0, 0.3, 2.0, 8.0):
        found = epsilon.p_value(right, guesses, pairs, bound, delta)
        assert found == pytest.approx(theorem(right, guesses, pairs, bound, delta), rel=1e-9)


def test_without_delta_it_is_clopper_and_pearsons_bound():
    """All of 750 pairs guessed: seven choices of how many share the error."""
    higher = np.where(np.arange(750) % 5 < 4, 1.0, -1.0)
    found = [epsilon._inverted(600, 750, 750, delta, ERROR / 7) for delta in (0.0, 1e-5)]
    interval = stats.binomtest(600, 750, alternative="greater").proportion_ci(1 - ERROR / 7)
    assert found[0] == pytest.approx(np.log(interval.low / (1 - interval.low)), abs=1e-6)
    assert 0.9 * found[0] < found[1] < found[0]
    assert epsilon.bound(higher, 1e-5, ERROR) == (found[1], 750)
    assert theorem(600, 750, 750, found[1], 1e-5) == pytest.approx(ERROR / 7, rel=1e-3)


def test_pairs_are_random_and_hold_a_member_each():
    member = membership.draw(101, 4, 0)
    inside, outside = epsilon.matched(1, member[1], 7)
    assert len(inside) == len(outside) == 50
    assert member[1, inside].all()
    assert not member[1, outside].any()
    assert len({*inside, *outside}) == 100
    assert not np.array_equal(inside, np.sort(inside))
    assert not np.array_equal(inside, epsilon.matched(3, member[1], 7)[0])


def test_what_cannot_be_told_apart_is_no_evidence():
    score = np.array([np.inf, np.inf, 3.0, -np.inf, 1.0, 2.0])
    higher = epsilon.differences(score, np.array([0, 2, 4]), np.array([1, 3, 5]))
    assert higher.tolist() == [0.0, np.inf, -1.0]
    assert epsilon.bound(np.zeros(400), 1e-5, ERROR) == (0.0, 400)  # ties are wrong guesses


def test_permuted_labels_bound_nothing():
    """Also with targets that are each other's shadow models: one in twenty at most may err."""
    generator = np.random.default_rng(0)
    above = 0
    for seed in range(100):
        member = membership.draw(200, 4, seed)
        shared = generator.normal(size=(1, 200))  # what all targets have in common
        scores = {"a": shared + 0.1 * generator.normal(size=(4, 200))}
        table = epsilon.audit(range(4), member, scores, seed)
        above += bool(table["epsilon_lower"].iloc[0])
    assert above <= stats.binom.ppf(0.999, 100, ERROR)


@pytest.mark.parametrize("truth", [1.0, 2.0, 4.0])
def test_randomised_response_is_bounded_from_below_and_almost_reached(truth):
    generator = np.random.default_rng(1)
    found = {}
    for pairs in (300, 3000):
        told = generator.random((20, pairs)) < 1 / (1 + np.exp(-truth))
        found[pairs] = np.array(
            [epsilon.bound(np.where(own, 1.0, -1.0), 1e-9, ERROR)[0] for own in told]
        )
        assert (found[pairs] > truth).mean() <= 0.2
    assert found[300].mean() < found[3000].mean() < truth
    assert found[3000].mean() > 0.9 * truth


def test_a_gaussian_mechanism_is_bounded_from_below():
    """One value a sample, 1 for members, with noise; a turned pair moves it by the root of two."""
    delta, sigma = 1e-5, 2.0
    shift = np.sqrt(2) / sigma

    def exact(bound):  # Balle and Wang (2018), theorem 8
        inner, outer = shift / 2 - bound / shift, -shift / 2 - bound / shift
        return stats.norm.cdf(inner) - np.exp(bound) * stats.norm.cdf(outer)

    truth = next(e for e in np.arange(0.0, 20.0, 0.01) if exact(e) <= delta)
    member = membership.draw(20_000, 4, 0)
    noise = np.random.default_rng(2).normal(size=member.shape)
    table = epsilon.audit(range(4), member, {"a": member + sigma * noise}, 0, delta)
    assert table["pairs"].tolist() == [10_000]
    assert 0.3 * truth < table["epsilon_lower"].iloc[0] < truth


def test_half_of_the_targets_decide():
    """Three of five that give everything away are enough, two are not."""
    member = membership.draw(400, 6, 0)[:5]
    noise = np.random.default_rng(3).normal(size=member.shape)
    for leaking, expected in ((3, True), (2, False)):
        scores = noise + 9 * member * (np.arange(5) < leaking)[:, None]
        table = epsilon.audit(range(5), member, {"a": scores}, 0)
        assert bool(table["epsilon_lower"].iloc[0] > 2) == expected
    with pytest.raises(ValueError, match="at least one member and one non-member"):
        epsilon.audit(range(5), member & False, {"a": noise}, 0)
