"""Your own images: class folders, `.npz` and parquet, and what can be wrong with them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import ImageFolder

from ptq_privacy.data.preparation import prepare

GREY = (load_digits().images[:60] * 15).astype(np.uint8)  # 6 of each of 10 classes
LABELS = load_digits().target[:60].astype(np.int64)
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)  # channels last


def encode(image, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def load(source, path, **settings):
    return prepare({"name": "mine", "source": source, "path": str(path), **settings})


def everything(data):
    """All samples of a data set, train then test, as (pixels, class name), sorted."""
    images = np.concatenate([data.train_inputs, data.test_inputs])
    labels = np.concatenate([data.train_labels, data.test_labels])
    return sorted(
        (image.tobytes(), data.classes[label]) for image, label in zip(images, labels, strict=True)
    )


def given(images, labels, classes="0123456789"):
    return sorted(
        (image.tobytes(), classes[label]) for image, label in zip(images, labels, strict=True)
    )


GIVEN_GREY = given(GREY, LABELS)
GIVEN_RGB = given(RGB.transpose(0, 3, 1, 2), LABELS)


def write_folder(folder, images=RGB, labels=LABELS):
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
        (folder / f"class {label}" / f"{place}.png").write_bytes(encode(image))
    return folder


def test_class_folders_are_split_by_seed(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "class 3" / "notes.txt").write_text("no image")
    (tmp_path / "class 3" / "._0.png").write_text("of a Mac")
    (tmp_path / ".cache").mkdir()
    data = load("folder", tmp_path, test_fraction=0.25)
    assert data.classes == tuple(f"class {digit}" for digit in range(10))
    assert data.train_inputs.shape == (45, 3, 8, 8)
    assert data.test_inputs.shape == (15, 3, 8, 8)
    assert [(image, name.removeprefix("class ")) for image, name in everything(data)] == GIVEN_RGB
    again, other = (load("folder", tmp_path, test_fraction=0.25, seed=seed) for seed in (0, 1))
    assert again.sha256 == data.sha256 != other.sha256


def test_torchvision_reads_the_same_folder(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", RGB[:20], LABELS[:20])
    deep = tmp_path / "train" / "class 3" / "1" / "deep"
    deep.mkdir(parents=True)
    (deep / "x.JPG").write_bytes(encode(RGB[0], "JPEG"))
    (tmp_path / "train" / "class 3" / "z.png").write_bytes(encode(RGB[1]))
    data = load("folder", tmp_path)
    for part in ("train", "test"):
        theirs = ImageFolder(tmp_path / part)
        images = np.stack([np.asarray(image) for image, _ in theirs]).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(getattr(data, f"{part}_inputs"), images)
        np.testing.assert_array_equal(getattr(data, f"{part}_labels"), theirs.targets)
        assert data.classes == tuple(theirs.classes)


def test_grey_folders_stay_grey_and_mixed_ones_are_in_colour(tmp_path):
    write_folder(tmp_path / "grey", GREY)
    assert load("folder", tmp_path / "grey").train_inputs.shape == (48, 1, 8, 8)
    write_folder(tmp_path / "mixed" / "train")
    write_folder(tmp_path / "mixed" / "test", GREY)
    (tmp_path / "mixed" / "train" / "class 0" / "0.png").write_bytes(encode(GREY[0]))
    data = load("folder", tmp_path / "mixed")
    assert data.train_inputs.shape[1] == data.test_inputs.shape[1] == 3
    np.testing.assert_array_equal(data.train_inputs[0], np.stack([GREY[0]] * 3))


def spoil(folder, change):
    write_folder(folder)
    change(folder / "class 3")
    return folder


def sixteen_bit():
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 1000, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], r"class 3: no images here"),
        (lambda folder: (folder / "z.png").write_bytes(b"GIF89a"), r"z\.png: not a readable image"),
        (lambda folder: (folder / "z.png").write_bytes(encode(RGB[0])[:-30]), r"z\.png: not a"),
        (
            lambda folder: (folder / "z.png").write_bytes(encode(RGB[0, :, :7])),
            r"z\.png: 7x8 pixels, but the first image has 8x8",
        ),
        (
            lambda folder: (folder / "z.png").write_bytes(sixteen_bit()),
            r"z\.png: not a readable image \(pixels of kind I;16; allowed: 8 bits a channel\)",
        ),
        (
            lambda folder: (folder / "z.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0"),
            r"z\.png: not a readable image",
        ),
    ],
)
def test_what_is_wrong_in_a_folder_is_named(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load("folder", spoil(tmp_path, change))


def test_folders_that_cannot_serve(tmp_path):
    with pytest.raises(ValueError, match="source folder needs a path"):
        prepare({"name": "mine", "source": "folder"})
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load("folder", tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file: not a folder"):
        load("folder", tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="'mine': 0 samples are too few"):
        load("folder", tmp_path / "empty")
    write_folder(tmp_path / "one", RGB[LABELS == 1], LABELS[LABELS == 1])
    with pytest.raises(ValueError, match="1 class; a classifier needs at least 2"):
        load("folder", tmp_path / "one")
    write_folder(tmp_path / "two" / "train")
    write_folder(tmp_path / "two" / "test", RGB[:5], LABELS[:5])
    with pytest.raises(ValueError, match="train and test do not hold the same class folders"):
        load("folder", tmp_path / "two")
    write_folder(tmp_path / "two" / "test")
    with pytest.raises(ValueError, match=r"test_fraction: .*two brings its own test set"):
        load("folder", tmp_path / "two", test_fraction=0.5)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 0.001, 0.99])
def test_fractions_that_leave_nothing_are_refused(fraction, tmp_path):
    with pytest.raises(ValueError, match=r"'mine': .*(is not between 0 and 1|too few)"):
        load("folder", write_folder(tmp_path), test_fraction=fraction)


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
        ({"images": None}, r"x\.npz: no array 'images'; it holds labels"),
        ({"labels": None}, r"x\.npz: no array 'labels'"),
        ({"test_labels": LABELS}, r"x\.npz: no array 'test_images'"),
        ({"images": GREY / 255}, r"x\.npz: images: pixels are float64; allowed: uint8"),
        ({"images": GREY.astype(int)}, "pixels are int64"),
        ({"images": GREY[0]}, r"shape \(8, 8\); allowed: \[N, H, W\]"),
        ({"images": np.zeros((60, 8, 8, 4), np.uint8)}, r"shape \(60, 8, 8, 4\)"),
        ({"images": np.zeros((60, 3, 8, 3), np.uint8)}, "with 1 or 3 channels"),
        ({"labels": LABELS.astype(float)}, "labels are float64; allowed: integers"),
        ({"labels": LABELS[:-1]}, r"60 images, but labels of shape \(59,\)"),
        ({"labels": LABELS[:, None]}, r"60 images, but labels of shape \(60, 1\)"),
        ({"labels": LABELS - 1}, "has label -1; allowed: 0 to 8"),
        ({"labels": LABELS + 1}, "no training sample of class 0"),
        ({"labels": LABELS * 10**9}, "label 9000000000 of only 60 samples"),
        ({"labels": LABELS * 0}, "1 class"),
        ({"images": GREY[:0], "labels": LABELS[:0]}, r"x\.npz: no samples"),
        ({"images": GREY[:2], "labels": LABELS[:2]}, "2 samples are too few"),
        ({"labels": np.array([None] * 60)}, r"x\.npz: not a readable \.npz of plain arrays"),
        ({"test_images": RGB[:, :4], "test_labels": LABELS}, "must be equal"),
        ({"test_images": GREY, "test_labels": LABELS + 1}, "label 10; allowed: 0 to 9"),
    ],
)
def test_what_is_wrong_in_an_npz_is_named(changes, message, tmp_path):
    arrays = {"images": GREY, "labels": LABELS} | changes
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "x.npz", **kept)
    with pytest.raises(ValueError, match=message):
        load("npz", tmp_path / "x.npz")


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
        ((RGB / 255).tolist(), LABELS, {}, "pixels are double; allowed: integers 0 to 255"),
        ((RGB.astype(int) - 1).tolist(), LABELS, {}, "pixels from -1 to 254, not 0 to 255"),
        ([b"<html>", *PNGS[1:]], LABELS, {}, r"x\.parquet: row 0: not a readable image"),
        ([None, *PNGS[1:]], LABELS, {}, "column image has empty rows"),
        ([{"bytes": png} for png in [None, *PNGS[1:]]], LABELS, {}, "column image has empty rows"),
        ([f"{place}.png" for place in range(60)], LABELS, {}, "images are string; allowed: bytes"),
        ([{"path": "x"}] * 60, LABELS, {}, "images are struct"),
        (PNGS, LABELS / 2, {}, "labels are double; allowed: integers or text"),
        (PNGS, [None, *LABELS[1:].tolist()], {}, "column label has empty rows"),
        (PNGS, LABELS * 100, {}, "label 900 of only 60 samples"),
        ([], [], {}, r"x\.parquet: no samples"),
    ],
)
def test_what_is_wrong_in_a_parquet_is_named(image, label, settings, message, tmp_path):
    path = write_parquet(tmp_path / "x.parquet", image, label)
    with pytest.raises(ValueError, match=message):
        load("parquet", path, **settings)


def test_damaged_and_foreign_parquet_files_are_named(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", PNGS)
    whole = path.read_bytes()
    for content in (whole[:1000], b"", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.parquet: not a readable parquet"):
            load("parquet", path)
    pq.write_table(pa.table({"img": PNGS, "label": LABELS}), path)
    with pytest.raises(ValueError, match=r"x\.parquet: no column 'image'; it has img, label"):
        load("parquet", path)
    with pytest.raises(ValueError, match=r"needs files train\*\.parquet and test\*\.parquet"):
        load("parquet", tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        load("parquet", tmp_path / "none.parquet")


def test_parts_of_different_kinds_are_refused(tmp_path):
    write_parquet(tmp_path / "train-0.parquet", PNGS)
    write_parquet(tmp_path / "train-1.parquet", [encode(image[:4]) for image in RGB])
    write_parquet(tmp_path / "test.parquet", PNGS)
    with pytest.raises(ValueError, match=r"train-1\.parquet: images or labels are of another kind"):
        load("parquet", tmp_path)
