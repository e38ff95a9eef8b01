"""Repositories of parquet files as on Hugging Face: parts, shards, columns and class names."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.digit_images import GIVEN_RGB, LABELS, RGB, encode, everything, load

PNGS = [encode(image) for image in RGB]
STRUCTS = [{"bytes": png, "path": f"{place}.png"} for place, png in enumerate(PNGS)]
NAMES = [f"digit {number}" for number in range(10)]
SHARDS = {
    "train-00000-of-00002": slice(0, 20),
    "train-00001-of-00002": slice(20, 40),
    "validation-00000-of-00001": slice(40, 50),
    "test-00000-of-00001": slice(50, 60),
}


def repository(folder, columns=None, said=None, shards=SHARDS):
    """Files as Hugging Face's `push_to_hub` writes them, with its metadata on what they hold."""
    columns = columns or {"img": STRUCTS, "label": LABELS.tolist()}
    said = said or {"img": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    told = json.dumps({"info": {"features": said}})
    for name, rows in shards.items():
        table = pa.table({key: pa.array(column[rows]) for key, column in columns.items()})
        table = table.replace_schema_metadata({"huggingface": told})
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    return folder


@pytest.mark.parametrize("inside", ["data", "plain_text", ".", "a/b"])
def test_a_hugging_face_repository(inside, tmp_path):
    repository(tmp_path / inside)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.md").write_text("---\ndataset_info: ...\n---")
    data = load("parquet", tmp_path)
    assert data.classes == tuple(NAMES)
    np.testing.assert_array_equal(data.train_inputs, RGB[:40].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.train_labels, LABELS[:40])
    np.testing.assert_array_equal(data.test_labels, LABELS[50:])
    said = "columns img and label; test set: test; left out: validation"
    assert data.source == f"parquet {tmp_path}; {said}"
    assert load("parquet", tmp_path / inside).sha256 == data.sha256
    other = load("parquet", tmp_path, test_split="validation", classes=list("abcdefghij"))
    np.testing.assert_array_equal(other.test_labels, LABELS[40:50])
    assert other.classes == tuple("abcdefghij")


def test_parts_as_folders_as_in_converted_repositories(tmp_path):
    names = {"train/0000": slice(0, 20), "train/0001": slice(20, 40), "test/0000": slice(40, 60)}
    repository(tmp_path / "default", shards=names)
    data = load("parquet", tmp_path)
    np.testing.assert_array_equal(data.train_labels, LABELS[:40])
    np.testing.assert_array_equal(data.test_labels, LABELS[40:])


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        (["train-00000-of-00002", "test-00000-of-00001"], r"each number from 0 to 1 once; there a"),
        (["train-00000-of-00001", "train-00000-of-00001-0123456789abcdef"], "there are 0, 0"),
        (["train-00000-of-00002", "train-00001-of-00003"], "from 0 to 2 once"),
        (["train", "train-00000-of-00001"], "from 0 to 0 once"),
        (["validation", "test"], "the parts are 'test', 'validation'; allowed: one part called t"),
        (["train", "extra", "test"], "'test', 'train', 'extra' stand side by side; allowed: one"),
        (["fine/train", "coarse/train"], "in its folders coarse, fine; give the path of one"),
        (["train", "old/train"], "lie in it and in its folders old; give the path of one"),
        (["train/a/0", "test/a/0"], "no parquet files here, or several folders deep"),
        (["notes/.hidden"], "no parquet files here"),
    ],
)
def test_folders_of_parquet_files_that_could_mean_several_things(shards, message, tmp_path):
    repository(tmp_path / "x", shards=dict.fromkeys(shards, slice(0, 60)))
    with pytest.raises(ValueError, match=message) as refusal:
        load("parquet", tmp_path / "x")
    assert str(refusal.value).startswith(f"{tmp_path / 'x'}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("shards", "tests"),
    [
        (["train-00000-of-00001-0123456789abcdef", "test-00000-of-00001-fedcba9876543210"], 60),
        (["train", "valid"], 60),
        (["cifar10_train", "cifar10_test"], 60),
        (["train_0", "train_1"], 24),
        (["part-00000", "part-00001"], 24),
    ],
)
def test_file_names_that_people_give(shards, tests, tmp_path):
    data = load("parquet", repository(tmp_path, shards=dict.fromkeys(shards, slice(0, 60))))
    assert len(data.test_labels) == tests
    assert len(data.train_labels) + tests == 120


CIFAR_100 = {"img": STRUCTS, "fine_label": LABELS.tolist(), "coarse_label": (LABELS // 5).tolist()}


def test_of_two_label_columns_the_config_names_one(tmp_path):
    label = {"_type": "ClassLabel", "names": NAMES}
    said = {"img": {"_type": "Image"}, "fine_label": label}
    said["coarse_label"] = {"_type": "ClassLabel", "names": ["low", "high"]}
    repository(tmp_path, CIFAR_100, said)
    with pytest.raises(
        ValueError,
        match=r"parquet: columns fine_label, coarse_label could all be meant; give label_column",
    ):
        load("parquet", tmp_path)
    assert load("parquet", tmp_path, label_column="fine_label").classes == tuple(NAMES)
    coarse = load("parquet", tmp_path, label_column="coarse_label")
    assert coarse.classes == ("low", "high")
    np.testing.assert_array_equal(coarse.train_labels, LABELS[:40] // 5)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["image", "label"], None),
        (["pixel_values", "labels"], None),
        (["Image", "target"], None),
        (["img", "fine_label"], None),
        (["photo", "label"], "it has photo, label; give image_column, the column of images"),
        (["image", "kind"], "it has image, kind; give label_column, the column of labels"),
        (["image", "label", "img"], "columns image, img could all be meant; give image_column"),
        (["image", "label", "labels"], "columns label, labels could all be meant; give label_"),
    ],
)
def test_columns_are_found_by_their_names(columns, expected, tmp_path):
    arrays = [PNGS, LABELS, PNGS if columns[-1] == "img" else LABELS][: len(columns)]
    table = pa.table(dict(zip(columns, arrays, strict=True)))
    pq.write_table(table, tmp_path / "x.parquet")
    keys = {"image_column": columns[0], "label_column": columns[1]}
    assert everything(load("parquet", tmp_path / "x.parquet", **keys)) == GIVEN_RGB
    if expected is None:
        assert everything(load("parquet", tmp_path / "x.parquet")) == GIVEN_RGB
    else:
        with pytest.raises(ValueError, match=rf"x\.parquet: {expected}"):
            load("parquet", tmp_path / "x.parquet")


def test_columns_are_found_by_what_hugging_face_says_of_them(tmp_path):
    said = {"photo": {"_type": "Image"}, "digit": {"_type": "ClassLabel", "names": NAMES}}
    columns = {"photo": STRUCTS, "digit": LABELS.tolist(), "author": LABELS.tolist()}
    assert load("parquet", repository(tmp_path, columns, said)).classes == tuple(NAMES)


def test_damaged_metadata_are_named(tmp_path):
    for content in (b"{", b"[]", b'{"info": {"features": 3}}'):
        table = pa.table({"image": PNGS, "label": LABELS})
        table = table.replace_schema_metadata({"huggingface": content})
        pq.write_table(table, tmp_path / "x.parquet")
        with pytest.raises(ValueError, match=r"x\.parquet: metadata 'huggingface' are damaged"):
            load("parquet", tmp_path / "x.parquet")


def test_a_test_split_without_labels_is_refused_and_can_be_passed_by(tmp_path):
    hidden = {"img": STRUCTS, "label": [*LABELS[:50].tolist(), *[-1] * 10]}
    repository(tmp_path, hidden)
    with pytest.raises(ValueError, match=r"test-.*: no labels in the test set .*test_split: valid"):
        load("parquet", tmp_path)
    assert len(load("parquet", tmp_path, test_split="validation").test_labels) == 10
