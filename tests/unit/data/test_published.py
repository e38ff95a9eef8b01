"""The published data sets from archives in their own formats; torchvision reads the same."""

import os
import pickle
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torchvision

from ptq_privacy.data.preparation import prepare
from ptq_privacy.data.sources import pickles
from tests.unit.data import published_archives

ARCHIVES = {
    "cifar-10": "cifar-10-python.tar.gz",
    "cifar-100": "cifar-100-python.tar.gz",
    "tiny-imagenet": "tiny-imagenet-200.zip",
}
CIFARS = ("cifar-10", "cifar-100")
ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


@cache
def archive(source):
    """The bytes of an archive, and what was put in."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive"
        made = (
            published_archives.tiny_imagenet(path)
            if source == "tiny-imagenet"
            else published_archives.cifar(source, path)
        )
        return path.read_bytes(), made


def make(source, folder):
    content, made = archive(source)
    (folder / ARCHIVES[source]).write_bytes(content)
    return folder / ARCHIVES[source], made


def load(source, path):
    return prepare({"name": "x", "source": source, "path": str(path)})


def extract(path):
    with zipfile.ZipFile(path) if path.suffix == ".zip" else tarfile.open(path) as opened:
        opened.extractall(path.parent / "extracted")
    return path.parent / "extracted"


@pytest.mark.parametrize("source", ARCHIVES)
def test_an_archive_holds_what_was_put_in(source, tmp_path):
    path, made = make(source, tmp_path)
    data = load(source, path)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(data, name), made[name], err_msg=name)
    assert data.classes == made["classes"]
    assert str(path) in data.source
    assert [path.name for path in tmp_path.iterdir()] == [path.name]  # nothing was unpacked


@pytest.mark.parametrize("source", ARCHIVES)
def test_the_unpacked_folder_is_the_same(source, tmp_path):
    path, _ = make(source, tmp_path)
    folder = extract(path)
    (inner,) = folder.iterdir()
    assert load(source, path).sha256 == load(source, folder).sha256 == load(source, inner).sha256


@pytest.mark.parametrize("source", CIFARS)
def test_torchvision_reads_the_same_cifar(source, tmp_path, monkeypatch):
    path, _ = make(source, tmp_path)
    data = load(source, path)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    reader = torchvision.datasets.CIFAR10 if source == "cifar-10" else torchvision.datasets.CIFAR100
    for part in ("train", "test"):
        theirs = reader(extract(path), train=part == "train")
        images = getattr(data, f"{part}_inputs").transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(images, theirs.data)
        np.testing.assert_array_equal(getattr(data, f"{part}_labels"), theirs.targets)
        assert data.classes == tuple(theirs.classes)


def test_torchvision_reads_the_same_tiny_imagenet(tmp_path):
    path, _ = make("tiny-imagenet", tmp_path)
    data = load("tiny-imagenet", path)
    theirs = torchvision.datasets.ImageFolder(extract(path) / "tiny-imagenet-200" / "train")
    np.testing.assert_array_equal(data.train_labels, theirs.targets)
    assert [name.split()[0] for name in data.classes] == theirs.classes
    for place in range(0, 400, 57):
        image = np.asarray(theirs[place][0]).transpose(2, 0, 1)
        np.testing.assert_array_equal(data.train_inputs[place], image)


def test_the_pickles_made_here_are_pickles():
    value = {b"data": np.arange(256, dtype=np.uint8).reshape(2, 128), b"labels": [1, 300, -1]}
    value[b"name"] = b"x" * 300
    loaded = pickle.loads(published_archives.python_2_pickle(value), encoding="bytes")
    np.testing.assert_array_equal(loaded.pop(b"data"), value.pop(b"data"))
    assert loaded == value


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_python_3_are_read_too(protocol, order):
    array = np.asarray(np.arange(256, dtype=np.uint8).reshape(2, 128), order=order)
    loaded = pickles.read(pickle.dumps({b"data": array, "n": [1, b"x"]}, protocol), "x")
    np.testing.assert_array_equal(loaded["data"], array)
    assert loaded["n"] == [1, b"x"]


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (Call(os.mkdir, "made"), r"mkdir"),
        (Call(exec, "open('made', 'w')"), r"exec"),
        (Call(getattr, dict, "get"), r"getattr"),
        (np.array([object], dtype=object), r".*"),
        (np.dtype("f8"), r".*"),
        (np.float64(1), r".*"),
        (np.zeros(3, np.float32), r".*"),
    ],
)
def test_a_pickle_that_calls_anything_is_refused(protocol, value, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps([value] if isinstance(value, np.dtype) else {b"data": value}, protocol)
    with pytest.raises(ValueError, match=rf"archive: data_batch_1: .*{asked}"):
        pickles.read(content, "archive: data_batch_1")
    assert not list(tmp_path.iterdir())


def test_a_pickle_that_is_cut_or_altered_raises_value_errors_only():
    array = np.arange(40, dtype=np.uint8).reshape(4, 10)
    whole = published_archives.python_2_pickle({b"data": array, b"labels": [1, 2, 3, 4]})
    for end in range(len(whole)):
        with pytest.raises(ValueError, match="x: not a pickle"):
            pickles.read(whole[:end], "x")
    for place in range(len(whole)):
        for flip in (1, 0x20, 0xFF):
            altered = whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :]
            try:
                pickles.read(altered, "x")
            except ValueError as error:
                message = str(error)
                assert message.startswith("x: ")


def cifar_with(change, source, folder):
    made = published_archives.parts(300, 100, 10 if source == "cifar-10" else 100, 32)
    names = [f"kind_{number}" for number in range(10 if source == "cifar-10" else 100)]
    files = change(published_archives.cifar_files(source, made, names)) or {}
    top = "cifar-10-batches-py" if source == "cifar-10" else "cifar-100-python"
    published_archives.write_tar(folder / "archive.tar.gz", top, files)
    return folder / "archive.tar.gz"


PICKLED = published_archives.python_2_pickle
IMAGES = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (None, "cifar-10-batches-py/data_batch_3 is missing"),
        (b"<html>", "data_batch_3: not a pickle"),
        (PICKLED([1]), "data_batch_3: holds no dictionary"),
        (PICKLED({b"labels": [1, 2]}), "data_batch_3: 'data' is not"),
        (PICKLED({b"data": IMAGES[:, 1:], b"labels": [1, 2]}), "'data' is not an array of bytes"),
        (PICKLED({b"data": IMAGES}), "data_batch_3: 'labels' is not"),
        (PICKLED({b"data": IMAGES, b"labels": [1, b"2"]}), "'labels' is not a list of integers"),
        (PICKLED({b"data": IMAGES, b"labels": [1]}), "data_batch_3: 2 images, but 1 labels"),
        (PICKLED({b"data": IMAGES, b"labels": [1, 10]}), "label 10; allowed: 0 to 9"),
    ],
)
def test_a_wrong_batch_is_named(batch, message, tmp_path):
    def change(files):
        return {
            name: batch if name == "data_batch_3" else content
            for name, content in files.items()
            if name != "data_batch_3" or batch is not None
        }

    with pytest.raises(ValueError, match=message):
        load("cifar-10", cifar_with(change, "cifar-10", tmp_path))


def test_one_cifar_is_not_taken_for_the_other(tmp_path):
    path, _ = make("cifar-100", tmp_path)
    with pytest.raises(ValueError, match="cifar-10-batches-py/data_batch_1 is missing"):
        load("cifar-10", path)


def tiny_with(change, folder):
    path, _ = make("tiny-imagenet", folder)
    with zipfile.ZipFile(path) as opened:
        files = {
            name.removeprefix("tiny-imagenet-200/"): opened.read(name)
            for name in opened.namelist()
            if not name.endswith("/")
        }
    change(files)
    published_archives.write_zip(path, "tiny-imagenet-200", files)
    return path


def first_train(files):
    return min(name for name in files if name.startswith("train/") and name.endswith(".JPEG"))


def small_jpeg():
    return published_archives.jpeg(np.zeros((3, 32, 32), np.uint8))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.pop("words.txt"), r"tiny-imagenet-200/words\.txt is missing"),
        (lambda files: files.pop("val/images/val_7.JPEG"), r"val/images/val_7\.JPEG is missing"),
        (lambda files: files.update({first_train(files): b"<html>"}), r"_0\.JPEG: not a readable"),
        (
            lambda files: files.update({first_train(files): files[first_train(files)][:900]}),
            r"_0\.JPEG: not a readable image",
        ),
        (
            lambda files: files.update({"val/images/val_7.JPEG": small_jpeg()}),
            r"val_7\.JPEG: 32x32 pixels, but the first image has 64x64",
        ),
        (
            lambda files: files.update({"train/n99/images/n99_0.JPEG": small_jpeg()}),
            r"n99_0\.JPEG: 32x32|n99_0\.JPEG \('n99'\) is of no class",
        ),
        (
            lambda files: files.update({"val/val_annotations.txt": b"val_0.JPEG"}),
            r"val_0\.JPEG \(''\) is of no class in wnids\.txt",
        ),
    ],
)
def test_what_is_wrong_in_tiny_imagenet_is_named(change, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        load("tiny-imagenet", tiny_with(change, tmp_path))
    assert "tiny-imagenet-200.zip" in str(refusal.value)


def test_an_empty_class_of_tiny_imagenet_is_named(tmp_path):
    def change(files):
        folder = first_train(files).split("/images/")[0]
        for name in [name for name in files if name.startswith(folder)]:
            del files[name]

    with pytest.raises(ValueError, match=r"no training sample of class n\d+ thing 0"):
        load("tiny-imagenet", tiny_with(change, tmp_path))


@pytest.mark.parametrize("source", [*ARCHIVES, "fashion-mnist"])
def test_a_path_that_is_not_there_is_named(source, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(source, tmp_path / "nowhere")
