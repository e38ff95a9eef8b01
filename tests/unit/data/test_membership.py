import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.data import membership

SEEDS = st.integers(0, 2**63)
PAIRS = st.integers(1, 6)
SAMPLES = st.integers(2, 60)


@given(SAMPLES, PAIRS, SEEDS)
def test_pairs_are_complementary_halves(samples, pairs, seed):
    members = membership.draw(samples, 2 * pairs, seed)
    assert members.shape == (2 * pairs, samples)
    assert members.dtype == np.bool_
    assert (members[0::2] ^ members[1::2]).all()
    assert (members[0::2].sum(axis=1) == samples // 2).all()
    assert (members.sum(axis=0) == pairs).all()


@given(SAMPLES, PAIRS, PAIRS, SEEDS)
def test_more_models_change_none(samples, pairs, more, seed):
    few = membership.draw(samples, 2 * pairs, seed)
    many = membership.draw(samples, 2 * (pairs + more), seed)
    np.testing.assert_array_equal(few, many[: 2 * pairs])


def test_pairs_and_seeds_are_independent():
    # Two independent halves of 20,000 agree on half of the samples: 10,000, deviation 71.
    first, second = membership.draw(20_000, 4, 0)[0::2]
    other = membership.draw(20_000, 2, 1)[0]
    assert abs((first == second).sum() - 10_000) < 5 * 71
    assert abs((first == other).sum() - 10_000) < 5 * 71


def test_each_sample_is_a_member_as_often_as_another():
    # Over 1,000 pairs each of 50 samples joins model 2k about 500 times, deviation 15.8.
    counts = membership.draw(50, 2000, 7)[0::2].sum(axis=0)
    assert abs(counts - 500).max() < 5 * 15.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 3, 0), "models: 3 is not an even number"),
        ((10, 0, 0), "models: 0"),
        ((1, 2, 0), "samples: 1"),
        ((10, 2, -1), "seed: -1"),
    ],
)
def test_impossible_draws_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        membership.draw(*arguments)


def test_what_is_written_is_read_back(tmp_path):
    members = membership.draw(31, 6, 5)
    part = {model: members[model] for model in (4, 1, 2, 3)}
    membership.write(tmp_path / "m.parquet", part)
    back = membership.read(tmp_path / "m.parquet")
    assert list(back) == [1, 2, 3, 4]
    assert all((back[model] == members[model]).all() for model in back)


def test_the_file_is_a_table_that_other_tools_read(tmp_path):
    members = membership.draw(9, 4, 5)
    membership.write(tmp_path / "m.parquet", dict(enumerate(members)))
    schema = pq.read_schema(tmp_path / "m.parquet")
    assert schema.names == ["sample", "model_0000", "model_0001", "model_0002", "model_0003"]
    assert schema.types == [pa.int32()] + [pa.bool_()] * 4
    assert pq.read_table(tmp_path / "m.parquet")["model_0002"].to_pylist() == members[2].tolist()


def test_equal_draws_are_equal_files(tmp_path):
    for copy in range(2):
        membership.write(tmp_path / f"{copy}", dict(enumerate(membership.draw(100, 8, 3))))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_models_that_are_not_pairs_are_refused(tmp_path):
    members = membership.draw(10, 4, 0)
    members[3, 4] ^= True
    with pytest.raises(ValueError, match="models 2 and 3 do not hold complementary halves"):
        membership.write(tmp_path / "m.parquet", dict(enumerate(members)))
    with pytest.raises(ValueError, match="one model or more"):
        membership.write(tmp_path / "m.parquet", {})
    assert not list(tmp_path.iterdir())


def test_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "m.parquet"
    membership.write(path, dict(enumerate(membership.draw(1000, 4, 0))))
    whole = path.read_bytes()
    tables = [
        pa.table({"model_0000": [True], "model_0001": [False]}),
        pa.table({"sample": [1, 0], "model_0000": [True] * 2, "model_0001": [False] * 2}),
        pa.table({"sample": [0, 1], "model_0000": [True, None], "model_0001": [False] * 2}),
        pa.table({"sample": [0, 1], "model_0000": [1, 0], "model_0001": [0, 1]}),
        pa.table({"sample": [0, 1]}),
    ]
    for damaged in (whole[: len(whole) // 2], b"", b"sample,model_0000\n", *tables):
        if isinstance(damaged, bytes):
            path.write_bytes(damaged)
        else:
            pq.write_table(damaged, path)
        with pytest.raises(ValueError, match=r"m\.parquet"):
            membership.read(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        membership.read(path)
