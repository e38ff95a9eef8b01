"""The baseline without shadow models, and that it looks at nothing but the target's own answers."""

import numpy as np
import pytest

from ptq_privacy.attacks import global_threshold
from ptq_privacy.attacks.evidence import Evidence
from tests.unit.attacks import pools


@pytest.mark.parametrize("queries", [1, 3])
def test_a_score_is_the_mean_confidence_over_queries(queries):
    member = pools.in_pairs(6, 23)
    phi = pools.answers(member, queries)
    found = global_threshold.scores(pools.evidence(phi, member, [5, 0]), {})
    assert list(found) == ["global_threshold"]
    for row, target in enumerate((5, 0)):
        for sample in range(23):
            expected = sum(phi[target, sample, query] for query in range(queries)) / queries
            assert found["global_threshold"][row, sample] == pytest.approx(expected, abs=1e-12)


def test_shadow_models_change_nothing():
    member = pools.in_pairs(6, 23)
    phi = pools.answers(member, 2)
    before = global_threshold.scores(Evidence.of(phi[[2]], phi, member, [2]), {})
    after = global_threshold.scores(Evidence.of(phi[[2]], phi * 50 - 9, ~member, [4]), {})
    np.testing.assert_array_equal(before["global_threshold"], after["global_threshold"])
