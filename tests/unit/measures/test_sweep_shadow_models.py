"""Fewer shadow models, against what a pool of just these models would have given."""

import itertools

import numpy as np
import pandas as pd
import pytest

from ptq_privacy import attacks
from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.attacks import metrics
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.data import membership
from ptq_privacy.report import sweep
from ptq_privacy.stages import sweep_shadow_models

MODELS, SAMPLES = 10, 60
ATTACKS = {"lira": {}, "global_threshold": {}, "rmia": {"gamma": 1.5}}
SETTINGS = {"attacks": ATTACKS, "seed": 5}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A pool whose members are answered with more confidence, as a logit file and in memory."""
    generator = np.random.default_rng(0)
    member = membership.draw(SAMPLES, MODELS, 0)
    answers = generator.normal(size=(MODELS, SAMPLES, 2)).astype(np.float32)
    label = np.zeros(SAMPLES, np.int16)
    answers[..., 0] += member
    path = tmp_path_factory.mktemp("pool") / "logits-000.parquet"
    blocks = [LogitBlock(m, 0, label, member[m], answers[m]) for m in range(MODELS)]
    logits.write(path, blocks, 2, {})
    difference = answers.astype(np.float64)
    return path, (difference[..., 0] - difference[..., 1])[..., None], member


def swept(path, output, targets=3, **changes):
    sweep_shadow_models.sweep_shadow_models(
        [path], output, targets, MODELS, **{**SETTINGS, **changes}
    )
    return pd.read_parquet(output)


def test_each_set_is_attacked_as_a_pool_of_its_own(pool, tmp_path):
    path, phi, member = pool
    table = swept(path, tmp_path / "sweep.parquet")
    assert table.groupby("shadow_models")["draw"].nunique().to_dict() == {2: 4, 4: 4, 8: 1}
    assert sorted(table["target"].unique()) == [0, 1, 2]
    for attacked, draw, chosen in sweep_shadow_models._sets(3, MODELS, SETTINGS["seed"]):
        for target in attacked:
            place = [chosen.index(target)]
            own = Evidence.of(phi[[target]], phi[chosen], member[chosen], place)
            scored = attacks.score(ATTACKS, own)
            rows = table[
                (table["shadow_models"] == len(chosen) - 2)
                & (table["draw"] == draw)
                & (table["target"] == target)
            ].set_index("attack")
            assert set(rows.index) == set(scored)
            for attack, values in scored.items():
                auc = metrics.auc(member[target], values[0])
                assert rows.loc[attack, "auc"] == pytest.approx(auc, abs=1e-12)


def test_sets_are_whole_pairs_with_the_target_and_nested():
    found = {}
    for attacked, draw, chosen in sweep_shadow_models._sets(MODELS, MODELS, seed=1):
        assert chosen == sorted(chosen)
        assert {model ^ 1 for model in chosen} == set(chosen)
        assert set(attacked) <= set(chosen)
        found.setdefault((attacked[0], draw), []).append(set(chosen))
    for nested in found.values():
        assert all(less < more for less, more in itertools.pairwise(nested))
    assert len({tuple(sorted(sets[0])) for sets in found.values()}) > MODELS // 2


@pytest.mark.parametrize(
    ("shadow_models", "expected"),
    [(2, [2]), (4, [2, 4]), (6, [2, 4, 6]), (16, [2, 4, 8, 16]), (64, [2, 4, 8, 16, 32, 64])],
)
def test_sizes_double_up_to_the_whole_pool(shadow_models, expected):
    assert sweep_shadow_models.sizes(shadow_models) == expected


def test_the_seed_decides(pool, tmp_path):
    first = swept(pool[0], tmp_path / "a.parquet")
    assert first.equals(swept(pool[0], tmp_path / "b.parquet"))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert not first.equals(swept(pool[0], tmp_path / "c.parquet", seed=6))


def test_the_band_is_a_bootstrap_of_targets_and_of_draws_within():
    """Of normal values its width is known: variances between and within targets, over counts."""
    generator = np.random.default_rng(0)
    targets, draws = 200, 4
    value = generator.normal(size=(targets, 1)) + generator.normal(size=(targets, draws))
    table = pd.DataFrame(
        [
            {"shadow_models": 2, "target": t, "draw": d, "tpr_at_fpr_0.001": value[t, d]}
            for t in range(targets)
            for d in range(draws)
        ]
    )
    row = sweep.intervals(table).loc[2]
    assert row["mean"] == pytest.approx(value.mean())
    # The variance of targets' means, 1 + 1/4, plus (1 - 1/4)/4 drawn again within each.
    width = 2 * 1.96 * np.sqrt((1 + 1 / 4 + 3 / 16) / targets)
    assert row["high"] - row["low"] == pytest.approx(width, rel=0.15)
    single = sweep.intervals(table[(table["target"] == 3) & (table["draw"] == 0)]).loc[2]
    assert single["mean"] == value[3, 0]
    assert np.isnan(single[["low", "high"]]).all()  # one target tells nothing of others
