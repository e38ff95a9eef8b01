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
from ptq_privacy.measures import leakage
from ptq_privacy.measures.intervals import estimate
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
    assert sorted(table["shadow_models"].unique()) == [2, 4, 8]
    assert sorted(table["target"].unique()) == [0, 1, 2]
    weight = leakage.weights(member[:3], SETTINGS["seed"])
    expected = {}
    for attacked, _, chosen in sweep_shadow_models._sets(3, MODELS, SETTINGS["seed"]):
        for target in attacked:
            place = [chosen.index(target)]
            own = Evidence.of(phi[[target]], phi[chosen], member[chosen], place)
            for attack, values in attacks.score(ATTACKS, own).items():
                for replicate in (0, 7):
                    again = np.repeat(np.arange(SAMPLES), weight[replicate])
                    auc = metrics.auc(member[target][again], values[0][again])
                    key = (len(chosen) - 2, attack, replicate, target)
                    expected.setdefault(key, []).append(auc)
    assert {len(draws) for draws in expected.values()} == {4, 1}
    table = table.set_index(["shadow_models", "attack", "replicate", "target"])["auc"]
    for key, draws in expected.items():
        assert table.loc[key] == pytest.approx(np.mean(draws), abs=1e-12)


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


def test_attacks_are_compared_target_by_target(pool, tmp_path):
    table = swept(pool[0], tmp_path / "sweep.parquet")
    found = sweep.differences(table, "auc")
    pairs = found[["attack", "other"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["rmia_online", "lira_online_fixed"], ["rmia_offline", "lira_offline_fixed"]]
    row = found[found["shadow_models"] == 4].iloc[0]
    one, other = (sweep.by_size(table[table["attack"] == name], "auc")[4] for name in (pairs[0]))
    expected = estimate(one.minus(other))
    assert tuple(row[["estimate", "low", "high", "p_value"]]) == expected
    apart = [own.high - own.low for own in map(estimate, (one, other))]
    assert row["high"] - row["low"] < np.hypot(*apart)
    one_attack = table[table["attack"] == "rmia_online"]
    assert sweep.differences(one_attack, "auc").empty
    single = sweep.intervals(one_attack[one_attack["target"] == 1], "auc")
    assert (single["low"] < single["mean"]).all()  # over samples alone
