import dataclasses
import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ptq_privacy.data import dataset as datasets
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.files import tensors


def example(**changes):
    rng = np.random.default_rng(0)
    fields = {
        "name": "toy",
        "classes": ("cat", "dog", "Käfer"),
        "train_inputs": rng.integers(0, 256, (2000, 3, 4, 5), dtype=np.uint8),
        "train_labels": np.arange(2000) % 3,
        "test_inputs": rng.integers(0, 256, (7, 3, 4, 5), dtype=np.uint8),
        "test_labels": np.arange(7) % 3,
        "source": "made for the test",
    }
    return Dataset(**fields | changes)


def test_what_is_written_is_read_back(tmp_path):
    datasets.write(tmp_path / "d.safetensors", example())
    back = datasets.read(tmp_path / "d.safetensors")
    for field in dataclasses.fields(Dataset):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(example(), field.name))
    assert back.statistics == example().statistics
    assert back.train_inputs.dtype == np.uint8
    assert back.train_labels.dtype == np.int64


def test_mean_and_std_are_those_of_scaled_pixels_of_each_channel():
    data = example()
    scaled = data.train_inputs.astype(float) / 255
    mean, std = data.statistics["mean"], data.statistics["std"]
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 2, 3)), rtol=1e-12)


def test_metadata_says_what_the_file_is(tmp_path):
    datasets.write(tmp_path / "d.safetensors", example())
    with safe_open(tmp_path / "d.safetensors", framework="numpy") as file:
        metadata = file.metadata()
    known = {"name", "kind", "classes", "statistics", "details", "source"}
    assert set(metadata) == known | {"sha256", "statistics_sha256"}
    assert json.loads(metadata["classes"]) == ["cat", "dog", "Käfer"]
    assert metadata["kind"] == "images"
    statistics = json.loads(metadata["statistics"])
    assert {name: tuple(values) for name, values in statistics.items()} == example().statistics


def test_changed_statistics_are_refused(tmp_path):
    datasets.write(tmp_path / "d.safetensors", example())
    arrays, metadata = tensors.read(tmp_path / "d.safetensors")
    changed = metadata["statistics"].replace("0.", "1.")
    tensors.write(tmp_path / "d.safetensors", arrays, {**metadata, "statistics": changed})
    with pytest.raises(ValueError, match=r"d.safetensors: content does not match its SHA-256"):
        datasets.read(tmp_path / "d.safetensors")


def test_equal_sets_are_equal_files(tmp_path):
    for copy in range(5):
        datasets.write(tmp_path / f"{copy}", example())
    assert len({(tmp_path / f"{copy}").read_bytes() for copy in range(5)}) == 1


def test_digest_covers_labels_inputs_and_classes():
    changed = example().train_labels.copy()
    changed[:2] = changed[1::-1]
    digests = {
        example().sha256,
        example(train_labels=changed).sha256,
        example(test_inputs=example().test_inputs[::-1]).sha256,
        example(classes=("cat", "dog", "bug")).sha256,
    }
    assert len(digests) == 4
    assert example().sha256 == example(source="elsewhere").sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("cat",)}, "at least 2"),
        ({"classes": ("cat", "dog", "dog")}, "distinct"),
        ({"classes": ("cat", "dog", "bug", "owl")}, "no training sample of class owl"),
        ({"train_labels": np.arange(2000) % 4}, "sample 3 has label 3; allowed: 0 to 2"),
        ({"test_labels": np.full(7, -1)}, "test_labels: sample 0 has label -1"),
        ({"train_labels": np.arange(1999) % 3}, "2000 inputs"),
        ({"train_labels": np.zeros(2000)}, "float64; allowed: int64"),
        ({"train_inputs": np.zeros((2000, 3, 4, 5))}, "float64; allowed: uint8"),
        ({"train_inputs": np.full((2000, 3, 4, 5), np.nan)}, "allowed: uint8"),
        ({"train_inputs": np.zeros((2000, 4, 5), np.uint8)}, "shape"),
        ({"train_inputs": np.zeros((2000, 3, 4, 5), np.uint8)}, "channel 0 is the same"),
        ({"test_inputs": np.zeros((7, 1, 4, 5), np.uint8)}, "must be equal"),
        ({"test_inputs": np.zeros((0, 3, 4, 5), np.uint8)}, "none of them 0"),
    ],
)
def test_unusable_data_is_refused_by_name(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        datasets.write(tmp_path / "d.safetensors", example(**changes))
    assert "'toy'" in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "d.safetensors"
    datasets.write(path, example())
    whole = path.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        whole[:4],
        b"",
        b"\x80\x04pickle" + bytes(100),
        whole[:-1] + bytes([whole[-1] ^ 1]),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"d\.safetensors"):
            datasets.read(path)


def test_a_foreign_file_is_named(tmp_path):
    save_file({"train_inputs": np.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors: not a prepared data set.*test_inputs"):
        datasets.read(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", "cat, dog"),
        ("classes", "3"),
        ("classes", '"cat"'),
        ("statistics", "mean 1"),
        ("statistics", "3"),
        ("statistics", "[0.5, 0.2]"),
        ("statistics", '{"mean": 0.5}'),
        ("details", "features"),
        ("details", "[3]"),
    ],
)
def test_what_is_no_list_or_no_mapping_of_lists_is_named(tmp_path, name, value):
    datasets.write(tmp_path / "d.safetensors", example())
    with safe_open(tmp_path / "d.safetensors", framework="numpy") as file:
        metadata = file.metadata() | {name: value}
    arrays = {name: getattr(example(), name) for name in datasets.ARRAYS}
    save_file(arrays, tmp_path / "x.safetensors", metadata)
    with pytest.raises(ValueError, match=rf"x\.safetensors: not a prepared data set: {name} "):
        datasets.read(tmp_path / "x.safetensors")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.read(tmp_path / "none")
