"""Your own images in a NumPy archive, as ours, MedMNIST's and Keras' are, and what can be wrong."""

import numpy as np
import pytest

from tests.unit.data.digit_images import (
    GIVEN_GREY,
    GIVEN_RGB,
    GREY,
    LABELS,
    RGB,
    everything,
    given,
    load,
)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GIVEN_GREY),
        (GREY[..., None], GIVEN_GREY),
        (GREY[:, None], GIVEN_GREY),
        (RGB, GIVEN_RGB),
        (RGB.transpose(0, 3, 1, 2), GIVEN_RGB),
    ],
)
def test_npz_in_every_order_of_axes(images, expected, tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=LABELS.astype(np.uint8))
    data = load("npz", tmp_path / "x.npz")
    assert len(data.test_labels) == 12
    assert everything(data) == expected


def test_npz_with_a_test_set_and_class_names(tmp_path):
    arrays = {"images": GREY[:50], "labels": LABELS[:50]}
    arrays |= {"test_images": GREY[50:], "test_labels": LABELS[50:]}
    np.savez(tmp_path / "x.npz", **arrays)
    names = list("abcdefghij")
    data = load("npz", tmp_path / "x.npz", classes=names)
    np.testing.assert_array_equal(data.train_inputs[:, 0], GREY[:50])
    np.testing.assert_array_equal(data.test_labels, LABELS[50:])
    assert data.classes == tuple(names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, r"x\.npz: no images that go with labels; it holds labels"),
        ({"labels": None}, r"x\.npz: no labels that go with images"),
        ({"test_labels": LABELS}, r"x\.npz: no images that go with test_labels"),
        ({"x": GREY}, r"x\.npz: arrays images and x could both be the images"),
        ({"train_images": GREY, "train_labels": LABELS}, "images and train_images could both be"),
        ({"extra_images": GREY, "extra_labels": LABELS}, r"x\.npz: 'train', 'extra' stand side"),
        ({"fine_labels": LABELS, "labels": None}, "no labels that go with images"),
        ({"images": GREY / 16}, r"x\.npz: images: float64 pixels from 0.0 to 15.0; allowed: wh"),
        ({"images": GREY / 128 - 1}, r"images: float64 pixels from -1.0 to 0.\d+; .* 0 to 1"),
        ({"images": np.where(GREY > 99, np.nan, GREY / 255)}, "float64 pixels from nan to nan"),
        ({"images": GREY.astype(int) * 2}, "int64 pixels from 0 to 480; allowed: whole numbers"),
        ({"images": GREY > 9}, "pixels are bool; allowed: whole numbers from 0 to 255, or floats"),
        ({"images": GREY[0]}, r"shape \(8, 8\); allowed: \[N, H, W\]"),
        ({"images": np.zeros((60, 8, 8, 4), np.uint8)}, r"shape \(60, 8, 8, 4\)"),
        ({"images": np.zeros((60, 3, 8, 3), np.uint8)}, "with 1 or 3 channels"),
        ({"labels": LABELS / 2}, r"x\.npz: labels: label 0.5 is not whole; allowed: one class"),
        ({"labels": np.where(LABELS, np.nan, 0)}, "label nan is not whole"),
        ({"labels": np.where(LABELS, np.inf, 0)}, "label inf is not whole"),
        ({"labels": LABELS.astype("M8[s]")}, r"labels are datetime64\[s\]; allowed: one class"),
        ({"labels": LABELS[:-1]}, r"x\.npz: images: 60 images, but 59 labels"),
        ({"labels": np.eye(10)[LABELS]}, r"labels of shape \(60, 10\), several a sample; allowed"),
        ({"labels": LABELS - 1}, "has label -1; allowed: 0 to 8"),
        ({"labels": LABELS + 1}, "no training sample of class 0"),
        ({"labels": LABELS * 10**9}, "label 9000000000 of only 60 samples"),
        ({"labels": LABELS * 0}, "1 class"),
        ({"images": GREY[:0], "labels": LABELS[:0]}, r"x\.npz: images: no samples"),
        ({"images": GREY[:2], "labels": LABELS[:2]}, "2 samples are too few"),
        ({"labels": np.array([None] * 60)}, r"x\.npz: not a readable \.npz of plain arrays"),
        (
            {"test_images": RGB[:, :4], "test_labels": LABELS},
            r"test_images: images of 8x4 pixels, but 8x8 in .*x\.npz: images; .*resize: \[",
        ),
        ({"test_images": GREY, "test_labels": LABELS + 1}, "label 10; allowed: 0 to 9"),
        ({"test_images": GREY, "test_labels": LABELS * 0 - 1}, r"no labels in the test set .*-1\)"),
        ({"test_images": GREY, "test_labels": LABELS.astype(str)}, "labels are text, but numbers"),
    ],
)
def test_what_is_wrong_in_an_npz_is_named(changes, message, tmp_path):
    arrays = {"images": GREY, "labels": LABELS} | changes
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "x.npz", **kept)
    with pytest.raises(ValueError, match=message) as refusal:
        load("npz", tmp_path / "x.npz")
    assert "\n" not in str(refusal.value)


def test_damaged_and_foreign_npz_files_are_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=GREY, labels=LABELS)
    whole = path.read_bytes()
    np.save(tmp_path / "single.npy", GREY)
    single = (tmp_path / "single.npy").read_bytes()
    altered = whole[:300] + bytes([whole[300] ^ 255]) + whole[301:]
    for content in (whole[:1000], altered, b"", b"<html>", single):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.npz: not a readable"):
            load("npz", path)


def test_class_names_must_cover_the_labels(tmp_path):
    np.savez(tmp_path / "x.npz", images=GREY, labels=LABELS)
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        load("npz", tmp_path / "x.npz", classes=["a", "b"])


def medmnist(**changes):
    """As MedMNIST publishes them: three parts, labels [N, 1] of small integers."""
    rows = {"train": slice(0, 40), "val": slice(40, 50), "test": slice(50, 60)}
    arrays = {f"{part}_images": RGB[chosen] for part, chosen in rows.items()}
    arrays |= {
        f"{part}_labels": LABELS[chosen, None].astype(np.uint8) for part, chosen in rows.items()
    }
    return arrays | changes


def test_medmnist(tmp_path):
    path = tmp_path / "bloodmnist.npz"
    np.savez_compressed(path, **medmnist())
    data = load("npz", path)
    np.testing.assert_array_equal(data.train_inputs, RGB[:40].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.test_labels, LABELS[50:])
    assert data.source == f"npz {path}; test set: test; left out: val"
    other = load("npz", path, test_split="validation", resize=[6, 5])
    np.testing.assert_array_equal(other.test_labels, LABELS[40:50])
    assert other.train_inputs.shape == (40, 3, 6, 5)
    np.savez_compressed(path, **medmnist(train_labels=np.eye(10, dtype=np.uint8)[LABELS[:40]]))
    with pytest.raises(ValueError, match=r"train_labels: labels of shape \(40, 10\), several a"):
        load("npz", path)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "Y")])
def test_keras(x, y, tmp_path):
    arrays = {f"{x}_train": GREY[:50], f"{y}_train": LABELS[:50].astype(np.uint8)}
    arrays |= {f"{x}_test": GREY[50:], f"{y}_test": LABELS[50:], "ids": LABELS}
    np.savez(tmp_path / "mnist.npz", **arrays)
    data = load("npz", tmp_path / "mnist.npz")
    np.testing.assert_array_equal(data.train_inputs[:, 0], GREY[:50])
    np.testing.assert_array_equal(data.test_inputs[:, 0], GREY[50:])
    assert data.source.endswith("mnist.npz; test set: test; left out: ids")


@pytest.mark.parametrize("missing", [None, "test"])
def test_a_test_split_that_is_not_there_is_refused(missing, tmp_path):
    arrays = {"images": GREY, "labels": LABELS}
    if missing is None:
        arrays |= {"test_images": GREY, "test_labels": LABELS}
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match=r"x\.npz: test_split: validation is not there; the parts"):
        load("npz", tmp_path / "x.npz", test_split="validation")


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_floats_from_0_to_1_that_are_bytes_come_back_exactly(kind, tmp_path):
    np.savez(tmp_path / "x.npz", images=(GREY / 255).astype(kind), labels=LABELS)
    data = load("npz", tmp_path / "x.npz")
    assert everything(data) == GIVEN_GREY
    said = "floats from 0 to 1 taken times 255, which gave whole numbers (60 of 60 images)"
    assert data.source.endswith(f"; {said}")


def test_floats_from_0_to_1_are_rounded_and_that_is_said(tmp_path, caplog):
    images = np.random.default_rng(0).uniform(size=(60, 8, 8, 3)).astype(np.float16)
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS)
    with caplog.at_level("INFO"):
        data = load("npz", tmp_path / "x.npz")
    said = "floats from 0 to 1 taken times 255 and rounded (60 of 60 images)"
    assert data.source.endswith(said)
    assert said in caplog.text
    found = np.concatenate([data.train_inputs, data.test_inputs])
    expected = np.rint(images.astype(float) * 255).astype(np.uint8).transpose(0, 3, 1, 2)
    assert sorted(map(bytes, found)) == sorted(map(bytes, expected))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (LABELS.astype(float), "0123456789"),
        (LABELS[:, None], "0123456789"),
        (LABELS.astype(np.uint64), "0123456789"),
        (LABELS % 2 == 1, "01"),
        (np.array(list("abcdefghij"))[LABELS], "abcdefghij"),
        (np.array(list("abcdefghij"))[LABELS].astype("S1"), "abcdefghij"),
    ],
)
def test_labels_of_every_kind(labels, classes, tmp_path):
    np.savez(tmp_path / "x.npz", images=GREY, labels=labels)
    data = load("npz", tmp_path / "x.npz")
    assert data.classes == tuple(classes)
    expected = LABELS % 2 if classes == "01" else LABELS
    assert everything(data) == given(GREY, expected, classes)


def test_whole_numbers_of_other_types_are_bytes(tmp_path):
    np.savez(tmp_path / "x.npz", images=GREY.astype(np.int64), labels=LABELS)
    assert everything(load("npz", tmp_path / "x.npz")) == GIVEN_GREY
