"""Your own images in parquet files, also as Hugging Face keeps them, and what can be wrong."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.digit_images import (
    GIVEN_GREY,
    GIVEN_RGB,
    GREY,
    LABELS,
    RGB,
    encode,
    everything,
    load,
)


def write_parquet(path, image, label=LABELS, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": image, "label": label}), path, **options)
    return path


PNGS = [encode(image) for image in RGB]
FLAT = RGB.transpose(0, 3, 1, 2).reshape(60, -1)
FLAT_LIST = pa.FixedSizeListArray.from_arrays(pa.array(FLAT.ravel()), 192)
COLUMNS = {
    "encoded": (PNGS, None),
    "large": (pa.array(PNGS, pa.large_binary()), None),
    "struct": ([{"bytes": png, "path": "x"} for png in PNGS], None),
    "nested, channels last": (RGB.tolist(), None),
    "nested, channels first": (FLAT.reshape(60, 3, 8, 8).tolist(), None),
    "flat lists": (FLAT.tolist(), [3, 8, 8]),
    "flat lists of equal size": (FLAT_LIST, [3, 8, 8]),
    "raw bytes": ([row.tobytes() for row in FLAT], [3, 8, 8]),
    "raw bytes of equal size": (
        pa.array([row.tobytes() for row in FLAT], pa.binary(192)),
        [3, 8, 8],
    ),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_parquet_in_every_form_of_image(kind, tmp_path):
    column, shape = COLUMNS[kind]
    path = write_parquet(tmp_path / "x.parquet", column, row_group_size=13)
    settings = {} if shape is None else {"image_shape": shape}
    data = load("parquet", path, **settings)
    assert everything(data) == GIVEN_RGB
    if "nested" in kind:
        assert load("parquet", path, image_shape=[3, 8, 8]).sha256 == data.sha256


def test_grey_parquet(tmp_path):
    data = load("parquet", write_parquet(tmp_path / "x.parquet", GREY.tolist()))
    assert data.train_inputs.shape == (48, 1, 8, 8)
    assert everything(data) == GIVEN_GREY


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_with_class_names_and_parts(kind, tmp_path):
    names = np.array(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
    labels = pa.array(names[LABELS].tolist()).cast(kind)
    for part, rows in (
        ("train-0", slice(0, 25)),
        ("train-1", slice(25, 50)),
        ("test", slice(50, 60)),
    ):
        write_parquet(tmp_path / f"{part}.parquet", PNGS[rows], labels[rows])
    data = load("parquet", tmp_path)
    assert data.classes == tuple(sorted(names))
    np.testing.assert_array_equal(data.train_inputs, RGB[:50].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.test_inputs, RGB[50:].transpose(0, 3, 1, 2))
    assert [data.classes[label] for label in data.train_labels] == names[LABELS[:50]].tolist()
    chosen = load("parquet", tmp_path, classes=names.tolist())
    np.testing.assert_array_equal(chosen.train_labels, LABELS[:50])
    with pytest.raises(ValueError, match="label 'nine'; allowed: zero, one"):
        load("parquet", tmp_path, classes=names[:9].tolist())


RAGGED = [[[1, 2], [3]], [[1, 2], [3, 4]], *[[[1, 2, 3]]] * 58]
UNEQUAL = [FLAT[0].tolist(), FLAT[1, :-1].tolist(), *FLAT[2:].tolist()]


@pytest.mark.parametrize(
    ("image", "label", "settings", "message"),
    [
        (FLAT.tolist(), LABELS, {}, r"flat lists of 192 pixels; give image_shape"),
        (FLAT.tolist(), LABELS, {"image_shape": [3, 8, 9]}, "192 pixels are not of image_shape"),
        (FLAT.tolist(), LABELS, {"image_shape": [192]}, "192 pixels are not of image_shape"),
        (RGB.tolist(), LABELS, {"image_shape": [3, 4, 16]}, r"\(3, 8, 8\), not image_shape"),
        (UNEQUAL, LABELS, {"image_shape": [3, 8, 8]}, "images are of unequal size"),
        ([b"12", *[b"123"] * 59], LABELS, {"image_shape": [1, 1, 3]}, "unequal size"),
        (PNGS, LABELS, {"image_shape": [3, 8, 8]}, "image_shape is for raw pixels"),
        ((RGB / 128 - 1).tolist(), LABELS, {}, r"image: float64 pixels from -1.0 to 0.\d+; allow"),
        ((RGB / 2).tolist(), LABELS, {}, "float64 pixels from 0.0 to 127.5; .*floats from 0 to 1"),
        ((RGB.astype(int) - 1).tolist(), LABELS, {}, "int64 pixels from -1 to 254; allowed: whole"),
        ((RGB > 9).tolist(), LABELS, {}, "image: pixels are bool, or some are missing; allowed"),
        ([[[1, None]], *[[[1, 2]]] * 59], LABELS, {}, "pixels are int64, or some are missing"),
        (RAGGED, LABELS, {}, r"image: images are of unequal size; .* or resize: \[height, width"),
        (RAGGED[:2] * 30, LABELS, {"resize": [4, 4]}, "row 0: lists of unequal length within one"),
        ([b"<html>", *PNGS[1:]], LABELS, {}, r"x\.parquet: image: row 0: not a readable image"),
        ([encode(RGB[0, :5]), *PNGS[1:]], LABELS, {}, r"row 1: 8x8 pixels, .* or resize: \[heig"),
        ([None, *PNGS[1:]], LABELS, {}, "column image has empty rows"),
        ([{"bytes": png} for png in [None, *PNGS[1:]]], LABELS, {}, "column image has empty rows"),
        ([f"{place}.png" for place in range(60)], LABELS, {}, "images are string; allowed: bytes"),
        ([{"path": "x"}] * 60, LABELS, {}, "images are struct"),
        (PNGS, LABELS / 2, {}, r"x\.parquet: label: label 0.5 is not whole; allowed: one class"),
        (PNGS, [[1, 2]] * 60, {}, "label: lists of labels; allowed: one class a sample"),
        (PNGS, [[None]] * 60, {}, "label: empty rows"),
        (PNGS, [b"a"] * 60, {}, "label: labels are binary; allowed: one class a sample"),
        (PNGS, LABELS, {"image_column": "img"}, "image_column: no column 'img'; it has image, lab"),
        (PNGS, LABELS, {"label_column": "x"}, "label_column: no column 'x'; it has image, label"),
        (PNGS, LABELS, {"label_column": "image"}, "images and labels need one column each"),
        (PNGS, LABELS, {"test_split": "validation"}, "test_split: there are no parts to choose"),
        (PNGS, [None, *LABELS[1:].tolist()], {}, "column label has empty rows"),
        (PNGS, LABELS * 100, {}, "label 900 of only 60 samples"),
        ([], [], {}, r"x\.parquet: no samples"),
    ],
)
def test_what_is_wrong_in_a_parquet_is_named(image, label, settings, message, tmp_path):
    path = write_parquet(tmp_path / "x.parquet", image, label)
    with pytest.raises(ValueError, match=message) as refusal:
        load("parquet", path, **settings)
    assert "\n" not in str(refusal.value)


def test_damaged_and_foreign_parquet_files_are_named(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", PNGS)
    whole = path.read_bytes()
    for content in (whole[:1000], b"", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.parquet: not a readable parquet"):
            load("parquet", path)
    with pytest.raises(FileNotFoundError, match="none"):
        load("parquet", tmp_path / "none.parquet")


def test_parts_of_different_kinds_are_refused(tmp_path):
    write_parquet(tmp_path / "train-0.parquet", PNGS)
    write_parquet(tmp_path / "train-1.parquet", [encode(image[:4]) for image in RGB])
    write_parquet(tmp_path / "test.parquet", PNGS)
    with pytest.raises(ValueError, match=r"train-1\.parquet: images of 8x4 pixels, but 8x8 in"):
        load("parquet", tmp_path)
    write_parquet(tmp_path / "train-1.parquet", PNGS, LABELS.astype(str))
    with pytest.raises(ValueError, match=r"train-1\.parquet: labels are text, but numbers in"):
        load("parquet", tmp_path)
    pq.write_table(pa.table({"image": PNGS, "labels": LABELS}), tmp_path / "train-1.parquet")
    with pytest.raises(
        ValueError, match=r"train-1\.parquet: column 'label' is there 0 times; .* same na"
    ):
        load("parquet", tmp_path)
    write_parquet(tmp_path / "train-1.parquet", [encode(image) for image in GREY])
    data = load("parquet", tmp_path)  # a grey file beside one in colour is no other kind
    assert data.train_inputs.shape == (120, 3, 8, 8)
    np.testing.assert_array_equal(data.train_inputs[60], np.stack([GREY[0]] * 3))


def test_labels_in_lists_of_one(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", PNGS, [[label] for label in LABELS.tolist()])
    assert everything(load("parquet", path)) == GIVEN_RGB


def test_lists_of_floats_from_0_to_1(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", (RGB / 255).tolist(), row_group_size=25)
    data = load("parquet", path)
    assert everything(data) == GIVEN_RGB
    assert "floats from 0 to 1 taken times 255, which gave whole numbers (60 of" in data.source


def test_images_of_unequal_size_are_resized_whatever_form_they_have(tmp_path):
    sizes = [(6 + place % 3, 9, 3) for place in range(60)]
    images = [np.full(size, 4 * place, np.uint8) for place, size in enumerate(sizes)]
    forms = {
        "encoded": [encode(image) for image in images],
        "lists": [image.tolist() for image in images],
        "floats": [(image / 255).tolist() for image in images],
    }
    for form, column in forms.items():
        path = write_parquet(tmp_path / f"{form}.parquet", column, row_group_size=23)
        data = load("parquet", path, resize=[5, 7])
        found = np.concatenate([data.train_inputs, data.test_inputs])
        assert found.shape == (60, 3, 5, 7)
        assert sorted(found[:, 2, 4, 6].tolist()) == [4 * place for place in range(60)]
        assert "resized to 7x5 pixels" in data.source
    path = write_parquet(tmp_path / "raw.parquet", [row.tobytes() for row in FLAT])
    data = load("parquet", path, image_shape=[3, 8, 8], resize=[4, 4])
    assert data.train_inputs.shape == (48, 3, 4, 4)
