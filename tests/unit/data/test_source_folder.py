"""Your own images in class folders, with and without parts, and what can be wrong."""

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from ptq_privacy.data.preparation import prepare
from tests.unit.data.digit_images import GIVEN_RGB, GREY, LABELS, RGB, encode, everything, load


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
    (tmp_path / "__MACOSX").mkdir()  # of a zip made on a Mac
    hidden = tmp_path / "class 3" / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "0-checkpoint.png").write_bytes(encode(RGB[0]))
    data = load("folder", tmp_path, test_fraction=0.25)
    said = "test set: 0.25 of the samples, drawn by the seed"
    assert data.source == f"folder {tmp_path}; left out: 1 other files in {tmp_path.name}; {said}"
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], r"class 3: no images here"),
        (lambda folder: (folder / "z.png").write_bytes(b"GIF89a"), r"z\.png: not a readable image"),
        (lambda folder: (folder / "z.png").write_bytes(encode(RGB[0])[:-30]), r"z\.png: not a"),
        (
            lambda folder: (folder / "z.png").write_bytes(encode(RGB[0, :, :7])),
            r"z\.png: 7x8 pixels, but the first image has 8x8; .*one size, or resize: \[height",
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
    with pytest.raises(ValueError, match="empty: needs one folder of images a class"):
        load("folder", tmp_path / "empty")
    write_folder(tmp_path / "one", RGB[LABELS == 1], LABELS[LABELS == 1])
    with pytest.raises(ValueError, match="1 class; a classifier needs at least 2"):
        load("folder", tmp_path / "one")
    write_folder(tmp_path / "two" / "train")
    write_folder(tmp_path / "two" / "test", RGB[:5], LABELS[:5])
    with pytest.raises(
        ValueError, match=r"two/test: not the same class folders as in .*train: 'class 5' is in one"
    ):
        load("folder", tmp_path / "two")
    write_folder(tmp_path / "two" / "test")
    with pytest.raises(ValueError, match=r"test_fraction: .*two brings its own test set"):
        load("folder", tmp_path / "two", test_fraction=0.5)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 0.001, 0.99])
def test_fractions_that_leave_nothing_are_refused(fraction, tmp_path):
    with pytest.raises(ValueError, match=r"'mine': .*(is not between 0 and 1|too few)"):
        load("folder", write_folder(tmp_path), test_fraction=fraction)


def part(folder, name, images, labels):
    """Class folders in a folder of a part; returns the images, channels first."""
    write_folder(folder / name, images, labels)
    return images.transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "val"),
        ("Training", "VALID"),
        ("train", "validation"),
        ("TRAIN", "Testing"),
        ("train", "eval"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("train2017", "val2017"),
        ("trainImages", "testImages"),
    ],
)
def test_parts_are_known_by_what_people_call_them(train, test, tmp_path):
    """A folder of two such was read as two classes once."""
    expected = (
        part(tmp_path, train, RGB[10:], LABELS[10:]),
        part(tmp_path, test, RGB[:10], LABELS[:10]),
    )
    data = load("folder", tmp_path)
    assert data.classes == tuple(f"class {digit}" for digit in range(10))
    np.testing.assert_array_equal(np.sort(data.train_labels), np.sort(LABELS[10:]))
    for found, images in zip((data.train_inputs, data.test_inputs), expected, strict=True):
        assert sorted(map(bytes, found)) == sorted(map(bytes, images))
    assert data.source == f"folder {tmp_path}; test set: {test}"


def test_of_a_test_and_a_validation_set_one_is_left_out(tmp_path, caplog):
    part(tmp_path, "train", RGB[20:], LABELS[20:])
    sets = {"val": part(tmp_path, "val", RGB[10:20], LABELS[10:20])}
    sets["test"] = part(tmp_path, "test", RGB[:10], LABELS[:10])
    with caplog.at_level("INFO"):
        found = {"test": load("folder", tmp_path)}
        found["val"] = load("folder", tmp_path, test_split="validation")
    for name, other in (("test", "val"), ("val", "test")):
        said = f"test set: {name}; left out: {other}"
        assert found[name].source == f"folder {tmp_path}; {said}"
        assert sorted(map(bytes, found[name].test_inputs)) == sorted(map(bytes, sets[name]))
        assert f"{tmp_path}: left out: {other}" in caplog.text


def test_a_test_set_without_classes_can_be_passed_by(tmp_path):
    for name in ("train", "valid"):
        write_folder(tmp_path / name)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.png").write_bytes(encode(RGB[0]))
    with pytest.raises(ValueError, match=r"test: not the same class folders.*; test_split chooses"):
        load("folder", tmp_path)
    assert len(load("folder", tmp_path, test_split="validation").test_labels) == 60


def test_a_training_part_alone_has_its_test_set_drawn(tmp_path):
    write_folder(tmp_path / "train")
    data = load("folder", tmp_path)
    assert len(data.test_labels) == 12
    assert data.sha256 == load("folder", tmp_path / "train").sha256


@pytest.mark.parametrize(
    "names",
    [
        ("val", "test"),
        ("test", "control"),
        ("train", "plane", "car"),
        ("train", "test", "extra"),
        ("train", "training", "test"),
        ("train", "val", "valid"),
        ("train_set", "test"),
        ("seg_train", "seg_test", "seg_pred"),
    ],
)
def test_folders_that_may_be_parts_or_classes_are_refused(names, tmp_path):
    for name in names:
        write_folder(tmp_path / name)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as refusal:
        load("folder", tmp_path)
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path}: ")
    assert all(repr(name) in message for name in names)
    assert "allowed: one part called train" in message


def test_classes_may_have_such_words_in_their_names(tmp_path):
    for name in ("test tube", "beaker"):
        (tmp_path / name).mkdir()
        for place in range(10):
            (tmp_path / name / f"{place}.png").write_bytes(encode(RGB[place]))
    assert load("folder", tmp_path).classes == ("beaker", "test tube")


def test_images_of_unequal_size_are_brought_to_one(tmp_path):
    write_folder(tmp_path)
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    large = np.broadcast_to(ramp[:, None, None], (32, 16, 3))
    (tmp_path / "class 0" / "0.png").write_bytes(encode(large))
    data = load("folder", tmp_path, resize=[8, 6], test_fraction=0.1)
    assert data.train_inputs.shape[1:] == data.test_inputs.shape[1:] == (3, 8, 6)
    assert data.source.endswith("; resized to 6x8 pixels by Pillow, bilinear with antialias")
    images = np.concatenate([data.train_inputs, data.test_inputs])
    # Antialias: a row of the small image is the mean of about four of the large one.
    expected = ramp.reshape(8, 4).mean(axis=1)
    nearest = np.abs(images[:, 0, :, 0].astype(float) - expected).max(axis=1).min()
    assert nearest <= 4
    with pytest.raises(ValueError, match=r"one size, or resize: \[height, width\]"):
        load("folder", tmp_path)


def test_parts_of_unequal_size_are_refused_or_resized(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", RGB[:, :6])
    with pytest.raises(ValueError, match=r"test: images of 8x6 pixels, but 8x8 in .*resize: \["):
        load("folder", tmp_path)
    assert load("folder", tmp_path, resize=[8, 8]).test_inputs.shape == (60, 3, 8, 8)
    data = load("folder", tmp_path / "train", resize=[8, 8])
    assert data.sha256 == load("folder", tmp_path / "train").sha256  # of this size already
