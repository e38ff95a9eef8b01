"""Rows of features: what they must be, how they are normalised and viewed; and Locations."""

import hashlib
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.data import dataset, kinds
from ptq_privacy.data.kinds.rows import augment, check, normalise, views
from ptq_privacy.data.preparation import prepare
from ptq_privacy.networks.normalised import Normalised
from tests.unit.data import published_archives

ROWS = np.array([[0, 5, 1.5, 7], [1, -5, 2.5, 7], [1, 10, 0.5, 7], [0, 0, -0.5, 7]], np.float32)


def prepared(path):
    return prepare({"name": "people", "source": "locations", "path": str(path)})


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("locations") / "dataset_location.tgz"
    return path, published_archives.locations(path)


def test_numbers_are_standardized_and_indicators_and_constants_only_centred():
    statistics = normalise.statistics(ROWS, {})
    assert statistics["mean"] == (0.5, 2.5, 1.0, 7.0)
    assert statistics["scale"] == (1.0, *ROWS[:, 1:3].std(0, dtype=np.float64), 0.0)
    rows = Normalised(torch.nn.Identity(), "rows", statistics)(torch.from_numpy(ROWS))
    np.testing.assert_allclose(rows[:, 1:3].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(rows[:, 1:3].std(0, correction=0), 1, rtol=1e-6)
    assert sorted(rows[:, 0].tolist()) == [-0.5, -0.5, 0.5, 0.5]
    assert not rows[:, 3].any()


def test_training_takes_rows_as_they_are():
    rows = torch.from_numpy(ROWS)
    chosen = torch.tensor([3, 1])
    assert torch.equal(augment.augmented(rows)(chosen, torch.Generator()), rows[chosen])


@given(st.integers(2, 6), st.integers(1, 9))
def test_the_views_of_all_parts_drop_each_feature_once(parts, features):
    rows = torch.arange(1.0, 2 * features + 1).view(2, features)
    statistics = {"mean": [-1.0] * features}
    texts = [f"drop:{part}/{parts}" for part in range(1, parts + 1)]
    shown = torch.stack([views.apply(rows, view, statistics) for view in views.parse_all(texts)])
    dropped = shown == -1
    assert torch.equal(dropped.sum(0), torch.ones(2, features, dtype=torch.int64))
    assert torch.equal(shown[~dropped], rows.expand_as(shown)[~dropped])
    assert torch.equal(views.apply(rows, "identity", statistics), rows)


def test_the_first_part_begins_with_the_first_feature():
    shown = views.apply(torch.ones(1, 5), "drop:1/2", {"mean": [0.0] * 5})
    assert shown.tolist() == [[0, 1, 0, 1, 0]]


@pytest.mark.parametrize("text", ["flip", "drop:0/2", "drop:3/2", "drop:1/1", "drop:1", ""])
def test_other_views_are_refused(text):
    with pytest.raises(ValueError, match=f"query '{text}': allowed: drop:PART/PARTS"):
        views.parse_all([text])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.astype(float), "x are float64; allowed: float32"),
        (ROWS[0], r"x have shape \(4,\); allowed: \[samples, features\]"),
        (ROWS[:, :3], "x have 3 features, and 4 names"),
        (np.where(ROWS == 10, np.nan, ROWS).astype(np.float32), "sample 2, feature b: not a fin"),
    ],
)
def test_what_is_no_rows_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        check.check("x", rows, {"features": list("abcd")})


def test_rows_that_are_all_the_same_are_refused():
    with pytest.raises(ValueError, match="all rows are the same"):
        check.check_statistics("x", normalise.statistics(np.ones((3, 2), np.float32), {}))


def test_locations_are_all_there_and_split_for_ever(archive, tmp_path):
    path, made = archive
    data = prepared(path)
    assert (data.kind, data.train_inputs.shape, len(data.test_labels)) == ("rows", (4500, 446), 510)
    assert data.classes[0] == "1"
    assert len(data.classes) == 30
    together = np.concatenate([data.train_inputs, data.test_inputs])
    known = np.concatenate([data.train_labels, data.test_labels])
    key = [row.tobytes() + bytes([label]) for row, label in zip(together, known, strict=True)]
    theirs = [row.tobytes() + bytes([label]) for row, label in zip(*made.values(), strict=True)]
    assert sorted(key) == sorted(theirs)
    assert np.bincount(data.test_labels).tolist() == [17] * 30
    other = prepare({"name": "p", "source": "locations", "path": str(path), "seed": 3})
    assert other.sha256 == data.sha256
    dataset.write(tmp_path / "d.safetensors", data)
    assert dataset.read(tmp_path / "d.safetensors").sha256 == data.sha256
    sizes = kinds.part("rows", "sizes").sizes(data.train_inputs.shape[1:], data.statistics)
    assert sizes == {"features": 446}


def test_locations_in_a_folder_are_the_same(archive, tmp_path):
    path, *_ = archive
    with tarfile.open(path) as opened:
        opened.extractall(tmp_path, filter="data")
    assert prepared(tmp_path).sha256 == prepared(path).sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"250\d rows, not 5010"),
        (lambda text: text.replace(b'"2",0', b'"31",0', 1), r"line \d+: expected a class from 1"),
        (lambda text: text.replace(b",1,", b",2,", 1), "line 1: expected a class from 1 to 30 and"),
        (lambda text: text.replace(b",1,", b",", 1), "line 1: expected a class from 1 to 30 and "),
        (lambda text: text.replace(b",1,", b",one,", 1), "446 features of 0 or 1, separated"),
        (lambda text: text + b"\n", "5011 rows, not 5010"),
    ],
)
def test_other_rows_than_locations_are_refused(archive, tmp_path, change, message):
    path, *_ = archive
    with tarfile.open(path) as opened:
        text = opened.extractfile("bangkok").read()
    (tmp_path / "bangkok").write_bytes(change(text))
    with pytest.raises(ValueError, match=f"{tmp_path}: bangkok: .*{message}"):
        prepared(tmp_path)


def test_an_archive_that_is_damaged_or_would_escape_is_refused(archive, tmp_path):
    path, *_ = archive
    whole = path.read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.tgz: damaged or truncated"):
        prepared(tmp_path / "cut.tgz")
    altered = bytes(b ^ (place == 5000) for place, b in enumerate(whole))
    assert hashlib.sha256(altered).digest() != hashlib.sha256(whole).digest()
    (tmp_path / "altered.tgz").write_bytes(altered)
    with pytest.raises(ValueError, match=r"altered\.tgz"):
        prepared(tmp_path / "altered.tgz")
    for name, message in (("../bangkok", "would escape"), ("pattaya", "bangkok is missing")):
        published_archives.put_in_tar(tmp_path / "x.tgz", {name: b"1,0\n"})
        with pytest.raises(ValueError, match=message):
            prepared(tmp_path / "x.tgz")
