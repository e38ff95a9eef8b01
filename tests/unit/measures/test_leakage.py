"""Score files, and metrics against those of physically resampled data."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ptq_privacy.attacks import metrics
from ptq_privacy.files import scores as score_files
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import intervals, leakage
from ptq_privacy.study.seeds import generator


def planted(targets=4, samples=60, shift=1.0, seed=0, attacks=("strong", "weak")):
    generator = np.random.default_rng(seed)
    member = generator.random((targets, samples)) < 0.5
    found = {
        attack: generator.normal(size=(targets, samples)) + shift * member / (k + 1)
        for k, attack in enumerate(attacks)
    }
    label = generator.integers(10, size=samples).astype(np.int16)
    return Scores(tuple(range(targets)), label, member, found)


def write(path, scores):
    score_files.write(path, scores.targets, scores.label, scores.member, scores.attacks)


def test_scores_are_read_as_written(tmp_path):
    path, scores = tmp_path / "scores-transfer.parquet", planted()
    scores.attacks["weak"][1, 3] = np.inf
    write(path, scores)
    found = score_files.read(path)
    assert found.targets == scores.targets
    np.testing.assert_array_equal(found.label, scores.label)
    np.testing.assert_array_equal(found.member, scores.member)
    assert list(found.attacks) == ["strong", "weak"]
    for attack, values in scores.attacks.items():
        np.testing.assert_array_equal(found.attacks[attack], values)
    table = pq.read_table(path)
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types == {
        "target": "int16",
        "sample": "int32",
        "label": "int16",
        "member": "bool",
        "strong": "double",
        "weak": "double",
    }
    again = tmp_path / "again.parquet"
    write(again, scores)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": (0, 2, 1, 3)}, "ascending"),
        ({"targets": (0, 1, 2)}, "member is bool"),
        ({"member": np.ones((4, 60))}, "expected bool"),
        ({"attacks": {}}, "no attack"),
        ({"attacks": {"a": np.zeros((4, 59))}}, r"scores of a have shape \(4, 59\)"),
        ({"attacks": {"a": np.full((4, 60), np.nan)}}, "without NaN"),
    ],
)
def test_wrong_scores_are_not_written(tmp_path, wrong, message):
    given = {**vars(planted()), **wrong}
    path = tmp_path / "scores.parquet"
    with pytest.raises(ValueError, match=message):
        score_files.write(path, given["targets"], given["label"], given["member"], given["attacks"])
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_score_files_are_refused(tmp_path):
    path = tmp_path / "scores.parquet"
    write(path, planted())
    table, whole = pq.read_table(path).replace_schema_metadata(None), path.read_bytes()

    def refused(message):
        with pytest.raises(ValueError, match=message) as error:
            score_files.read(path)
        assert str(path) in str(error.value)

    path.write_bytes(whole[:-20])
    refused("not a whole parquet file")
    pq.write_table(table.drop(["member"]), path)
    refused("not those of a score file")
    pq.write_table(table.select(["target", "sample", "label", "member"]), path)
    refused("not those of a score file")
    pq.write_table(table.slice(0, 100), path)
    refused("expected the samples 0, 1, 2")
    pq.write_table(pa.concat_tables([table.slice(60), table.slice(0, 60)]), path)
    refused("targets ascending")
    with pytest.raises(FileNotFoundError, match="absent"):
        score_files.read(tmp_path / "absent.parquet")


def test_scores_of_several_attacks_are_pooled_on_one_scale():
    plain = planted(targets=2, attacks=("strong",))
    scaled = np.stack([plain.attacks["strong"][0], 1000 + 50 * plain.attacks["strong"][1]])
    mixed = Scores(
        plain.targets, plain.label, plain.member, {"strong": scaled}, {"strong": ["a", "b"]}
    )
    alike = Scores(plain.targets, plain.label, plain.member, {"strong": scaled})
    pooled, wrong = (leakage.measure(s, seed=0)["auc_pooled"].iloc[0] for s in (mixed, alike))
    each = [metrics.auc(*own) for own in zip(plain.member, scaled, strict=True)]
    assert abs(pooled - np.mean(each)) < 0.05
    assert wrong < pooled - 0.05


def test_a_row_holds_the_metrics_of_each_target_and_of_all_pooled(tmp_path):
    scores = planted()
    path = tmp_path / "scores.parquet"
    write(path, scores)
    table = leakage.measure(path, seed=0)
    assert list(table["attack"]) == ["strong", "weak"]
    assert list(table["targets"]) == [4, 4]
    assert list(table["members"]) == [scores.member.sum(axis=1).min()] * 2
    assert list(table["nonmembers"]) == [(~scores.member).sum(axis=1).min()] * 2
    for (_, row), values in zip(table.iterrows(), scores.attacks.values(), strict=True):
        each = [metrics.auc(m, v) for m, v in zip(scores.member, values, strict=True)]
        assert row["auc_mean"] == pytest.approx(np.mean(each), abs=1e-15)
        assert row["auc_std"] == pytest.approx(np.std(each, ddof=1), abs=1e-15)
        pooled = metrics.auc(scores.member.ravel(), values.ravel())
        assert row["auc_pooled"] == pytest.approx(pooled, abs=1e-15)
        at = [metrics.tpr_at_fpr(m, v, 0.01) for m, v in zip(scores.member, values, strict=True)]
        assert row["tpr_at_fpr_0.01_mean"] == pytest.approx(np.mean(at), abs=1e-15)
        for name in metrics.METRICS:
            assert row[f"{name}_low"] <= row[f"{name}_high"]
    assert not table["fpr_0.001_supported"].any()


@pytest.mark.parametrize(("nonmembers", "supported"), [(999, False), (1000, True)])
def test_a_rate_of_one_in_a_thousand_needs_a_thousand_nonmembers(nonmembers, supported):
    member = np.arange(nonmembers + 50)[None] < 50
    scores = Scores((0,), np.zeros(member.shape[1], np.int16), member, {"a": member * 1.0})
    table = leakage.measure(scores, seed=0)
    assert bool(table["fpr_0.001_supported"][0]) is supported
    assert np.isnan(table["auc_std"][0])
    assert table["auc_mean"][0] == 1


def test_values_equal_metrics_of_physically_resampled_data():
    """Samples drawn from the same stream, repeated in memory, measured plainly."""
    scores, seed = planted(targets=3, samples=40), 5
    scores.attacks["strong"] = scores.attacks["strong"].round(1)  # ties
    found = leakage.values(scores, seed)
    of_samples = generator("resampled samples", seed)
    nonmembers = int((~scores.member).sum(axis=1).min())
    for replicate in range(12):
        drawn = of_samples.integers(40, size=40)
        for attack, values in scores.attacks.items():
            for name, metric in metrics.METRICS.items():
                each = [
                    metric(*metrics.roc(m[drawn], v[drawn]), nonmembers)
                    for m, v in zip(scores.member, values, strict=True)
                ]
                assert found[attack][name].drawn[replicate] == pytest.approx(each, abs=1e-12)


def test_values_are_read_as_written():
    measured = leakage.values(planted(targets=3), 1)
    table = pd.DataFrame(leakage.as_columns(measured))
    assert len(table) == 2 * 3 * (intervals.REPLICATES + 1)
    for attack, by_name in leakage.from_table(table).items():
        for name, own in by_name.items():
            np.testing.assert_array_equal(own.each, measured[attack][name].each)
            np.testing.assert_array_equal(own.drawn, measured[attack][name].drawn)


def test_the_seed_decides_and_chunks_do_not(monkeypatch):
    scores = planted()
    table = leakage.measure(scores, seed=1)
    assert table.equals(leakage.measure(scores, seed=1))
    assert not table.equals(leakage.measure(scores, seed=2))
    monkeypatch.setattr(leakage, "VERTICES_PER_CHUNK", 7 * 60)
    assert table.equals(leakage.measure(scores, seed=1))


def test_a_resample_without_a_class_is_drawn_again():
    member = np.array([[True, False, False], [False, False, True]])
    values = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    scores = Scores((0, 1), np.zeros(3, np.int16), member, {"a": values})
    table = leakage.measure(scores, seed=0)
    assert (table[["auc_low", "auc_high"]] == 1).all(axis=None)


def test_a_target_of_one_class_is_refused():
    scores = planted()
    scores.member[2] = True
    with pytest.raises(ValueError, match="at least one member and one non-member"):
        leakage.measure(scores, seed=0)
