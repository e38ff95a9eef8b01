"""q-values against their definition, and how many false claims they let through."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptq_privacy.report import claims


def test_q_values_are_the_least_rate_at_which_a_claim_stands():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5, 0.001])
    # Sorted .001 .01 .03 .04 .5: times 5 over rank, then the least of those that follow.
    expected = [0.025, 0.05, np.nan, 0.05, 0.5, 0.005]
    np.testing.assert_allclose(claims.q_values(p), expected)
    np.testing.assert_allclose(
        claims.q_values(p[[0, 1, 3, 4, 5]]), stats.false_discovery_control(p[[0, 1, 3, 4, 5]])
    )
    assert np.isnan(claims.q_values(np.array([np.nan]))).all()


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_of_what_is_claimed_a_twentieth_is_false_also_where_tests_lean_the_same_way(shared):
    generator, wrong = np.random.default_rng(0), []
    for _ in range(400):
        noise = np.sqrt(shared) * generator.normal() + np.sqrt(1 - shared) * generator.normal(
            size=60
        )
        z = noise + 4 * (np.arange(60) < 20)
        found = claims.q_values(2 * stats.norm.sf(np.abs(z))) <= claims.LEVEL
        wrong.append(found[20:].sum() / max(found.sum(), 1))
    assert np.mean(wrong) < 0.05


def test_where_nothing_is_few_pages_claim_anything():
    generator = np.random.default_rng(0)
    pages = [(claims.q_values(generator.random(200)) <= claims.LEVEL).any() for _ in range(400)]
    assert np.mean(pages) < 0.09


def test_a_page_counts_what_it_looks_at_over_all_its_networks():
    def network(p):
        kinds = {"kind": "against_full", "attack": ["a", "b"], "other": "", "variant": "obc-w2"}
        compared = pd.DataFrame({**kinds, "metric": "auc", "adversary": "transfer"})
        summary = pd.DataFrame({"attack": ["a", "b"], "nonmembers": 50, "auc_p_value": p})
        strength = pd.DataFrame({"p_value": [p]})
        nothing = dict.fromkeys(("methods", "calibration", "thresholds"))
        return claims.Measured(
            summary=summary,
            compared=compared.assign(p_value=p),
            exposed={},
            swept=pd.DataFrame(),
            strength=strength,
            disparity=pd.DataFrame({"variant": ["full", "obc-w2"], "p_value": p, "q_value": 0.5}),
            **nothing,
        )

    first, second = claims.weighed([network(0.01), network(0.9)], ["a"])
    assert claims.count([first, second]) == (8, 4)
    assert first.disparity["q_value"].tolist()[0] == pytest.approx(0.01 * 8 / 4)
    assert np.isnan(first.disparity["q_value"].tolist()[1])  # only full precision's is spoken of
    assert first.compared["q_value"].tolist()[0] == pytest.approx(0.01 * 8 / 4)
    assert np.isnan(first.compared["q_value"].tolist()[1])  # of another attack than the headline
    assert second.strength["q_value"].tolist() == [0.9]


def test_sure_answers_to_other_questions_let_no_false_ones_pass():
    """Calibration leaks nothing here, while hundreds of other differences are sure."""
    generator, wrong = np.random.default_rng(0), 0
    nothing = dict.fromkeys(("compared", "thresholds"))
    for _ in range(20):
        rows = {"metric": "auc", "attack": "a", "network": "n", "at": "4 bits"}
        methods = pd.DataFrame({**rows, "p_value": np.full(300, 1e-6)})
        calibration = pd.DataFrame(
            {"metric": "auc", "supported": True, "p_value": generator.random(40)}
        )
        summary = pd.DataFrame({"attack": ["a"], "nonmembers": 50, "auc_p_value": 0.5})
        strength = pd.DataFrame({"p_value": [0.5]})
        own = claims.Measured(
            summary=summary,
            methods=methods,
            calibration=calibration,
            exposed={},
            swept=pd.DataFrame(),
            strength=strength,
            **nothing,
        )
        (found,) = claims.weighed([own], ["a"])
        assert (found.methods["q_value"] <= claims.LEVEL).all()
        wrong += (found.calibration["q_value"] <= claims.LEVEL).any()
    assert wrong <= 4  # over the whole page alone, some row would stand in most
