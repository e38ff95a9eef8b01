"""Score files, and the bootstrap against physically resampled data and a planted truth."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from ptq_privacy.attacks import metrics
from ptq_privacy.files import scores as score_files
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import leakage
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


def test_a_row_holds_the_metrics_of_each_target_and_of_all_pooled(tmp_path):
    scores = planted()
    path = tmp_path / "scores.parquet"
    write(path, scores)
    table = leakage.measure(path, seed=0, replicates=20)
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
    table = leakage.measure(scores, seed=0, replicates=1)
    assert bool(table["fpr_0.001_supported"][0]) is supported
    assert np.isnan(table["auc_std"][0])
    assert table["auc_mean"][0] == 1


def test_the_bootstrap_equals_metrics_of_physically_resampled_data():
    """Samples and targets drawn from the same streams, repeated in memory, measured plainly.

    With 20 non-members or so no target resolves an FPR of 1%: for these two metrics every
    non-member stays once.
    """
    scores, seed, replicates = planted(targets=3, samples=40), 5, 12
    scores.attacks["strong"] = scores.attacks["strong"].round(1)  # ties
    found = leakage.bootstrap(scores, seed, replicates)
    of_samples = generator("resampled samples", seed)
    targets = generator("resampled targets", seed).integers(3, size=(replicates, 3))
    for replicate in range(replicates):
        drawn = of_samples.integers(40, size=40)
        for attack, values in scores.attacks.items():
            for name, metric in metrics.METRICS.items():
                each = []
                for t in targets[replicate]:
                    chosen = drawn
                    if name.startswith("tpr_at_fpr"):
                        outside = np.flatnonzero(~scores.member[t])
                        chosen = np.append(drawn[scores.member[t, drawn]], outside)
                    each.append(metric(*metrics.roc(scores.member[t, chosen], values[t, chosen])))
                assert found[attack][name][replicate] == pytest.approx(np.mean(each), abs=1e-12)


def test_the_seed_decides_and_chunks_do_not(monkeypatch):
    scores = planted()
    table = leakage.measure(scores, seed=1, replicates=30)
    assert table.equals(leakage.measure(scores, seed=1, replicates=30))
    assert not table.equals(leakage.measure(scores, seed=2, replicates=30))
    monkeypatch.setattr(leakage, "VERTICES_PER_CHUNK", 7 * 60)
    assert table.equals(leakage.measure(scores, seed=1, replicates=30))


def test_a_resample_without_a_class_is_drawn_again():
    member = np.array([[True, False, False], [False, False, True]])
    values = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    scores = Scores((0, 1), np.zeros(3, np.int16), member, {"a": values})
    table = leakage.measure(scores, seed=0, replicates=50)
    assert (table[["auc_low", "auc_high"]] == 1).all(axis=None)


def test_intervals_cover_the_planted_truth():
    """AUC is known by construction, and 19 of 20 intervals should hold it.

    Targets share what makes a sample easy, as they do in the study, so intervals that resampled
    targets alone would hold it in about three studies of four.
    """
    truth, covered, studies = stats.norm.cdf(1 / np.sqrt(2)), 0, 60
    for seed in range(studies):
        generator = np.random.default_rng(seed)
        member = generator.random((8, 300)) < 0.5
        ease = generator.normal(size=300) * np.sqrt(0.8)
        values = ease + np.sqrt(0.2) * generator.normal(size=(8, 300)) + member
        scores = Scores(tuple(range(8)), np.zeros(300, np.int16), member, {"a": values})
        auc = leakage.bootstrap(scores, seed, 100)["a"]["auc"]
        low, high = np.percentile(auc, (2.5, 97.5))
        covered += low <= truth <= high
    assert 0.85 * studies <= covered


def test_intervals_of_an_fpr_that_nonmembers_cannot_resolve():
    """100 non-members, so the TPR is that above the highest; its mean is known from many studies.

    Intervals that resampled non-members as well would lean upward: their upper ends would lie
    about twice as far above the estimates.
    """

    def planted(seed):
        generator = np.random.default_rng(seed)
        member = np.arange(200) < 100
        member = np.stack([generator.permutation(member) for _ in range(10)])
        return member, generator.normal(size=member.shape) + member

    name = "tpr_at_fpr_0.001"
    estimates = [
        np.mean([metrics.tpr_at_fpr(m, v, 0.001) for m, v in zip(*planted(seed), strict=True)])
        for seed in range(300)
    ]
    truth, covered, above, studies = np.mean(estimates), 0, 0.0, 50
    for seed in range(studies):
        member, values = planted(seed)
        scores = Scores(tuple(range(10)), np.zeros(200, np.int16), member, {"a": values})
        low, high = np.percentile(leakage.bootstrap(scores, seed, 60)["a"][name], (2.5, 97.5))
        covered += low <= truth <= high
        above += (high - estimates[seed]) / studies
    assert 0.84 * studies <= covered
    assert above < 3.5 * np.std(estimates)


def test_a_target_of_one_class_is_refused():
    scores = planted()
    scores.member[2] = True
    with pytest.raises(ValueError, match="at least one member and one non-member"):
        leakage.measure(scores, seed=0, replicates=2)
    with pytest.raises(ValueError, match="replicates"):
        leakage.measure(planted(), seed=0, replicates=0)
